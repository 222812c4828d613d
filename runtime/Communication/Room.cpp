#include "runtime/Communication/Room.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt {

namespace {

std::string describe(const Purpose &purpose) {
  if (purpose.kind == Purpose::Agree)
    return fmt::format("agrees on {}", purpose.name);
  if (purpose.kind == Purpose::Collect)
    return fmt::format("collects {} of rank {}", purpose.name, purpose.number);
  return fmt::format("{} collective {} \"{}\"", purpose.kind == Purpose::Run ? "runs" : "prepares", purpose.number,
                     purpose.name);
}

uint64_t combined(Agreement how, uint64_t a, uint64_t b) {
  switch (how) {
  case Agreement::Max:
    return std::max(a, b);
  case Agreement::Min:
    return std::min(a, b);
  case Agreement::Sum:
  case Agreement::Rank0: // the others give 0
    return a + b;
  }
  return 0;
}

} // namespace

Room::Group &Room::group(const std::vector<uint32_t> &ranks) {
  std::lock_guard lock(mutex);
  std::unique_ptr<Group> &group = groups[ranks];
  if (!group) {
    group = std::make_unique<Group>();
    group->ranks = ranks;
  }
  return *group;
}

/// Whether all have come; otherwise there is a failure.
bool Room::arrive(std::unique_lock<std::mutex> &lock, Group &group, uint32_t rank, const Purpose &purpose) {
  for (uint32_t member : group.ranks)
    if (left[member])
      failLocked(member, "has left");
  if (failure)
    return false;
  if (group.present == 0)
    group.first = rank, group.purpose = purpose;
  if (group.purpose != purpose) {
    failLocked(rank, fmt::format("{} where rank {} {}", describe(purpose), group.first, describe(group.purpose)));
    return false;
  }
  const uint64_t round = group.round;
  if (++group.present == group.ranks.size()) {
    group.present = 0;
    ++group.round;
    group.changed.notify_all();
    return true;
  }
  group.changed.wait(lock, [&] { return group.round != round || failure; });
  if (group.round != round)
    return true;
  group.present = 0; // the purpose is named by who waits, and nobody does for long
  return false;
}

Status Room::open(Group &group, uint32_t rank, const Purpose &purpose) {
  std::unique_lock lock(mutex);
  arrive(lock, group, rank, purpose);
  // Even where all have come, one of them may have failed and left since.
  if (failure)
    return *failure;
  ++touching;
  return {};
}

Status Room::close(Group &group, uint32_t rank, const Purpose &purpose) {
  std::unique_lock lock(mutex);
  if (--touching == 0)
    quiet.notify_all();
  return arrive(lock, group, rank, purpose) ? Status() : *failure;
}

Expected<uint64_t> Room::agree(Group &group, uint32_t rank, const Purpose &purpose, Agreement how, uint64_t value) {
  std::unique_lock lock(mutex);
  if (how == Agreement::Rank0 && rank != 0)
    value = 0;
  group.gathered = group.present == 0 ? value : combined(how, group.gathered, value);
  if (group.present + 1 == group.ranks.size())
    group.agreed = group.gathered;
  if (!arrive(lock, group, rank, purpose))
    return *failure;
  return group.agreed;
}

void Room::failLocked(uint32_t rank, std::string_view reason) {
  if (failure)
    return;
  failure = failed(fmt::format("rank {}: {}", rank, reason));
  for (auto &[ranks, group] : groups)
    group->changed.notify_all();
  for (const std::function<void()> &alarm : alarms)
    if (alarm)
      alarm();
}

void Room::whenFailed(uint32_t rank, std::function<void()> what) {
  std::lock_guard lock(mutex);
  alarms[rank] = std::move(what);
  if (failure && alarms[rank])
    alarms[rank]();
}

void Room::fail(uint32_t rank, std::string_view reason) {
  std::lock_guard lock(mutex);
  failLocked(rank, reason);
}

Status Room::reason() {
  std::lock_guard lock(mutex);
  return failure.value_or(Status());
}

std::string Room::waiting() {
  std::lock_guard lock(mutex);
  for (const auto &[ranks, group] : groups)
    if (group->present > 0) {
      const Purpose &purpose = group->purpose;
      return fmt::format("{} of {} ranks wait where each {}", group->present, ranks.size(), describe(purpose));
    }
  return {};
}

void Room::leave(uint32_t rank) {
  std::unique_lock lock(mutex);
  left[rank] = true;
  for (auto &[ranks, group] : groups)
    if (group->present > 0 && std::count(ranks.begin(), ranks.end(), rank) > 0)
      failLocked(rank, "has left");
  // Without a failure all that this rank took part in has been closed.
  quiet.wait(lock, [&] { return touching == 0 || !failure; });
}

} // namespace ft::rt
