#include "runtime/Device/Cuda/NcclComms.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

namespace ft::rt {

NcclComms::~NcclComms() {
  host.whenFailed({});
  {
    std::lock_guard lock(mutex);
    closing = true;
  }
  changed.notify_all();
  if (guardian.joinable())
    guardian.join();
  abortAll();
}

void NcclComms::abortAll() {
  {
    std::lock_guard lock(calling);
    if (std::exchange(aborted, true))
      return;
  }
  // Each returns only when the graphs are gone, which may wait for kernels of any of them.
  std::vector<std::thread> aborts;
  for (NcclComm *comm : comms)
    aborts.emplace_back([this, comm] { api.commAbort(comm); });
  for (std::thread &thread : aborts)
    thread.join();
}

/// A thread that is inside a call (of the first runs, where NCCL connects) is waited for: what frees the communicator
/// under it would end the process without a word. Where it never returns the watchdog ends the process.
void NcclComms::guard() {
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return failedRanks || closing; });
    if (!failedRanks)
      return;
  }
  abortAll();
}

Status NcclComms::use(const std::function<Status()> &calls) {
  std::lock_guard lock(calling);
  if (aborted)
    return failed("the ranks have failed, and their communicators are aborted");
  return calls();
}

Status NcclComms::shareId(NcclId &id) {
  if (host.rank() == 0)
    FT_RETURN_IF_ERROR(api.check(api.getUniqueId(&id), "asking NCCL for the id of a communicator"));
  for (size_t at = 0; at < sizeof id; at += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, id.bytes + at, sizeof word);
    FT_ASSIGN_OR_RETURN(word, host.agree(Agreement::Rank0, word));
    std::memcpy(id.bytes + at, &word, sizeof word);
  }
  return {};
}

Status NcclComms::open(const plan::Mesh &given) {
  mesh = given;
  NcclId id{};
  FT_RETURN_IF_ERROR(shareId(id));
  guardian = std::thread([this] { guard(); });
  host.whenFailed([this] {
    {
      std::lock_guard lock(mutex);
      failedRanks = true;
    }
    changed.notify_all();
  });
  return use([&] {
    NcclComm *all = nullptr;
    FT_RETURN_IF_ERROR(api.check(api.commInitRank(&all, int(host.size()), id, int(host.rank())),
                                 fmt::format("connecting {} ranks", host.size())));
    comms.push_back(all);
    return Status();
  });
}

Expected<NcclComm *> NcclComms::of(std::span<const uint32_t> axes) {
  const std::vector<uint32_t> key(axes.begin(), axes.end());
  if (const auto known = byAxes.find(key); known != byAxes.end())
    return known->second;
  const plan::Coordinates at = mesh->coordinates(host.rank());
  const std::vector<uint32_t> group = mesh->group(at, axes);
  std::vector<uint32_t> all(host.size());
  std::iota(all.begin(), all.end(), 0);
  NcclComm *comm = comms.front();
  if (group == all)
    return byAxes[key] = comm;
  const uint32_t color = *std::min_element(group.begin(), group.end());
  FT_RETURN_IF_ERROR(use([&] {
    return api.check(api.commSplit(comms.front(), int(color), int(mesh->member(at, axes)), &comm, nullptr),
                     fmt::format("connecting a group of {} ranks", group.size()));
  }));
  comms.push_back(comm);
  return byAxes[key] = comm;
}

} // namespace ft::rt
