#include "runtime/Weights/SlotQueue.h"

#include <algorithm>
#include <system_error>

namespace ft::rt {

namespace {
constexpr uint64_t leastBytes = 1 << 20, leastSlots = 4, ownBytes = 16 << 20, pageBytes = 4096;
} // namespace

SlotQueue::SlotQueue(std::span<std::byte> memory) {
  if (memory.size() < leastBytes) {
    own.resize(ownBytes);
    memory = own;
  }
  first = memory.data();
  bytesOfSlot = std::min(UsualSlot, memory.size() / leastSlots / pageBytes * pageBytes);
  slots = uint32_t(std::min<uint64_t>(memory.size() / bytesOfSlot, MostSlots));
}

void SlotQueue::shareAmong(uint64_t threads) {
  fillers.clear();
  fillers.resize(threads);
  for (uint32_t slot = 0; slot < slots; ++slot)
    ownerOf(slot).unused.push_back(slot);
}

/// False where no item is left.
bool SlotQueue::fillNext(Filler &filler, const std::function<void(uint64_t, std::byte *)> &fill) {
  std::unique_lock lock(mutex);
  filler.wasReached.wait(lock, [&] { return next >= end || !filler.unused.empty(); });
  if (next >= end)
    return false;
  const Filled mine{next++, filler.unused.back()};
  filler.unused.pop_back();
  lock.unlock();
  fill(mine.item, at(mine.slot));
  lock.lock();
  filled.push_back(mine);
  wasFilled.notify_one();
  return true;
}

/// Nothing where none is filled and `waits` is false.
std::optional<SlotQueue::Filled> SlotQueue::takeFilled(bool waits) {
  std::unique_lock lock(mutex);
  if (waits)
    wasFilled.wait(lock, [&] { return !filled.empty(); });
  if (filled.empty())
    return std::nullopt;
  const Filled one = filled.front();
  filled.pop_front();
  return one;
}

/// The slot that was sent first of those under way.
Status SlotQueue::takeBack(const SlotWay &way) {
  const uint32_t slot = underWay.front();
  FT_RETURN_IF_ERROR(way.reached(slot));
  underWay.pop_front();
  const std::lock_guard lock(mutex);
  ownerOf(slot).unused.push_back(slot);
  ownerOf(slot).wasReached.notify_one();
  return {};
}

/// `alone`: nobody else fills.
Status SlotQueue::sendAll(uint64_t items, bool alone, const std::function<void(uint64_t, std::byte *)> &fill,
                          const SlotWay &way) {
  for (uint64_t sent = 0; sent < items || !underWay.empty();) {
    if (alone && sent < items)
      fillNext(fillers.front(), fill); // a slot is unused: at most half of them are under way
    const std::optional<Filled> one = takeFilled(/*waits=*/underWay.empty());
    if (!one) {
      FT_RETURN_IF_ERROR(takeBack(way));
      continue;
    }
    FT_RETURN_IF_ERROR(way.send(one->item, at(one->slot)));
    FT_RETURN_IF_ERROR(way.mark(one->slot));
    underWay.push_back(one->slot);
    ++sent;
    if (underWay.size() * 2 > slots) // enough for the bus; those who fill wait for the rest
      FT_RETURN_IF_ERROR(takeBack(way));
  }
  return {};
}

Status SlotQueue::run(uint32_t threads, uint64_t items, const std::function<void(uint64_t, std::byte *)> &fill,
                      const SlotWay &way) {
  next = 0, end = items;
  const uint64_t most = std::min<uint64_t>({threads, items, slots / 2});
  shareAmong(std::max<uint64_t>(most, 1));
  std::vector<std::thread> started;
  try {
    for (uint64_t i = 0; i < most; ++i)
      started.emplace_back([this, &fill, &filler = fillers[i]] {
        while (fillNext(filler, fill))
          ;
      });
  } catch (const std::system_error &) { // threads that the machine does not give are done without
  }
  if (started.empty())
    shareAmong(1);
  const Status status = sendAll(items, started.empty(), fill, way);
  {
    const std::lock_guard lock(mutex);
    end = 0; // also after an error
    for (Filler &filler : fillers)
      filler.wasReached.notify_one();
  }
  for (std::thread &thread : started)
    thread.join();
  return status;
}

} // namespace ft::rt
