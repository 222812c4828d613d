// Memory in slots, which many threads fill and one empties.
#pragma once

#include "runtime/Support/Status.h"

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

namespace ft::rt {

class SlotQueue {
public:
  /// Slots of `memory`, or below 1 MiB of memory of its own.
  explicit SlotQueue(std::span<std::byte> memory);

  uint64_t slotBytes() const { return bytesOfSlot; }

  /// Calls fill(item, slot) once for each item, from `threads` threads that it starts, in the order in which they
  /// begin. What is filled goes to send(item, slot) on this thread, in no order; a slot is filled again when arrived()
  /// has returned behind it. The first Status that is not ok ends it. fill() must not throw.
  Status run(uint32_t threads, uint64_t items, const std::function<void(uint64_t, std::byte *)> &fill,
             const std::function<Status(uint64_t, std::byte *)> &send, const std::function<Status()> &arrived);

private:
  struct Filled {
    uint64_t item;
    std::byte *slot;
  };

  bool fillNext(const std::function<void(uint64_t, std::byte *)> &fill);
  std::vector<Filled> takeFilled();
  Status empty(uint64_t items, bool alone, const std::function<void(uint64_t, std::byte *)> &fill,
               const std::function<Status(uint64_t, std::byte *)> &send, const std::function<Status()> &arrived);

  std::vector<std::byte> own;
  uint64_t bytesOfSlot = 0;
  std::mutex mutex;
  std::condition_variable wasEmptied, wasFilled;
  std::vector<std::byte *> unused;
  std::vector<Filled> filled;
  uint64_t next = 0, end = 0; ///< items that nobody has begun
};

} // namespace ft::rt
