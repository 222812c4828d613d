// Memory in slots, which many threads fill and one sends on.
#pragma once

#include "runtime/Support/Status.h"

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

namespace ft::rt {

/// How slots leave. All of it is called from one thread.
struct SlotWay {
  std::function<Status(uint64_t item, std::byte *slot)> send;
  /// Marks what has been sent so far, the slot of this index last, until the slot is marked again.
  std::function<Status(uint32_t slot)> mark;
  /// Returns when what is in front of the slot's mark has arrived.
  std::function<Status(uint32_t slot)> reached;
};

/// Each thread that fills has slots of its own, two at least, and fills the one first that it got back last: what it
/// writes then mostly stays in its core's caches, where the device's copy reads it. Slots that wander between cores go
/// through memory, beside the bytes of the file: on an H200 with 16 cores 77 % of what PCIe copies, against 82 %.
class SlotQueue {
public:
  /// What is sent at a time. A copy costs PCIe's engine some 7 µs beside its bytes, which take 38 µs at 55 GB/s: slots
  /// of half this size reach 75 % of the rate, of a quarter 62 %, these 84 %; twice as much would pin twice as much.
  static constexpr uint64_t UsualSlot = 2 << 20;
  /// Two for each of 16 threads, which fill at 56 GB/s.
  static constexpr uint32_t MostSlots = 32;

  /// At most MostSlots slots of `memory`, or below 1 MiB of memory of its own.
  explicit SlotQueue(std::span<std::byte> memory);

  uint64_t slotBytes() const { return bytesOfSlot; }

  /// Calls fill(item, slot) once for each item, from `threads` threads that it starts, one for two slots at most,
  /// in the order in which they begin. What is filled is sent and marked on this thread, one item behind the other in
  /// no order; a slot is filled again when its mark has been reached, and others stay on their way meanwhile. Returns
  /// when all have been reached, or with the first Status that is not ok. fill() must not throw.
  Status run(uint32_t threads, uint64_t items, const std::function<void(uint64_t, std::byte *)> &fill,
             const SlotWay &way);

private:
  struct Filled {
    uint64_t item;
    uint32_t slot;
  };
  struct Filler {
    std::vector<uint32_t> unused; ///< of its slots, the one that was reached last behind the others
    std::condition_variable wasReached;
  };

  std::byte *at(uint32_t slot) const { return first + slot * bytesOfSlot; }
  Filler &ownerOf(uint32_t slot) { return fillers[slot % fillers.size()]; }
  void shareAmong(uint64_t threads);
  bool fillNext(Filler &filler, const std::function<void(uint64_t, std::byte *)> &fill);
  std::optional<Filled> takeFilled(bool waits);
  Status takeBack(const SlotWay &way);
  Status sendAll(uint64_t items, bool alone, const std::function<void(uint64_t, std::byte *)> &fill,
                 const SlotWay &way);

  std::vector<std::byte> own;
  std::byte *first = nullptr;
  uint64_t bytesOfSlot = 0;
  uint32_t slots = 0;
  std::deque<uint32_t> underWay; ///< in the order in which they were sent
  std::mutex mutex;
  std::condition_variable wasFilled;
  std::deque<Filler> fillers;
  std::deque<Filled> filled;
  uint64_t next = 0, end = 0; ///< items that nobody has begun
};

} // namespace ft::rt
