#include "runtime/Weights/SlotQueue.h"

#include <algorithm>
#include <system_error>
#include <utility>

namespace ft::rt {

namespace {
/// What is sent at a time: large enough for the rate of the bus, small enough that the slots of many threads fit.
constexpr uint64_t usualSlot = 1 << 20;
constexpr uint64_t leastSlots = 4, ownBytes = 16 << 20, pageBytes = 4096;
} // namespace

SlotQueue::SlotQueue(std::span<std::byte> memory) {
  if (memory.size() < usualSlot) {
    own.resize(ownBytes);
    memory = own;
  }
  bytesOfSlot = std::min(usualSlot, memory.size() / leastSlots / pageBytes * pageBytes);
  for (uint64_t at = 0; at + bytesOfSlot <= memory.size(); at += bytesOfSlot)
    unused.push_back(memory.data() + at);
}

/// False where no item is left.
bool SlotQueue::fillNext(const std::function<void(uint64_t, std::byte *)> &fill) {
  std::unique_lock lock(mutex);
  wasEmptied.wait(lock, [&] { return next >= end || !unused.empty(); });
  if (next >= end)
    return false;
  const Filled mine{next++, unused.back()};
  unused.pop_back();
  lock.unlock();
  fill(mine.item, mine.slot);
  lock.lock();
  filled.push_back(mine);
  wasFilled.notify_one();
  return true;
}

std::vector<SlotQueue::Filled> SlotQueue::takeFilled() {
  std::unique_lock lock(mutex);
  wasFilled.wait(lock, [&] { return !filled.empty(); });
  return std::exchange(filled, {});
}

/// `alone`: nobody else fills.
Status SlotQueue::empty(uint64_t items, bool alone, const std::function<void(uint64_t, std::byte *)> &fill,
                        const std::function<Status(uint64_t, std::byte *)> &send,
                        const std::function<Status()> &arrived) {
  for (uint64_t done = 0; done < items;) {
    if (alone)
      fillNext(fill);
    const std::vector<Filled> ready = takeFilled();
    for (const Filled &one : ready)
      FT_RETURN_IF_ERROR(send(one.item, one.slot));
    FT_RETURN_IF_ERROR(arrived());
    done += ready.size();
    const std::lock_guard lock(mutex);
    for (const Filled &one : ready)
      unused.push_back(one.slot);
    wasEmptied.notify_all();
  }
  return {};
}

Status SlotQueue::run(uint32_t threads, uint64_t items, const std::function<void(uint64_t, std::byte *)> &fill,
                      const std::function<Status(uint64_t, std::byte *)> &send,
                      const std::function<Status()> &arrived) {
  next = 0, end = items;
  std::vector<std::thread> fillers;
  try {
    for (uint64_t i = 0; i < std::min<uint64_t>(threads, items); ++i)
      fillers.emplace_back([&] {
        while (fillNext(fill))
          ;
      });
  } catch (const std::system_error &) { // threads that the machine does not give are done without
  }
  const Status status = empty(items, fillers.empty(), fill, send, arrived);
  {
    const std::lock_guard lock(mutex);
    end = 0; // also after an error
    wasEmptied.notify_all();
  }
  for (std::thread &filler : fillers)
    filler.join();
  return status;
}

} // namespace ft::rt
