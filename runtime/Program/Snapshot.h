// A copy of what a step has changed, in the plan's arena "checkpoint".
#pragma once

#include "runtime/Plan/SavedState.h"
#include "runtime/Program/Arenas.h"

namespace ft::rt {

/// Trained parameters and moments of a rank as they were at one moment. The arena is pinned, so that a GPU copies into
/// it at the speed of its bus; reading it touches nothing that a step touches, and so may happen on another thread
/// meanwhile.
class Snapshot {
public:
  /// All of them must outlive it.
  Snapshot(const plan::Plan &plan, const Arenas &arenas, Device &device, uint32_t rank = 0);

  /// Whether the plan has the arena; else nothing below may be called.
  bool hasRoom() const { return room != nullptr; }
  uint64_t bytes() const { return state.bytes; }
  /// Copies what stream 0 has made so far; blocks until it is there.
  Status capture();
  /// The device takes what was captured, and the arena what the device holds. Blocks.
  Status exchange();
  /// Where the device holds other bits than the arena: "EXP_AVG model.norm.weight (byte 12 of buffer bucket0)"; empty
  /// where nowhere. Blocks.
  Expected<std::string> compare() const;
  /// Bytes of a buffer as they were captured, or of the whole that it is a share of. Fails for what a checkpoint does
  /// not hold, and for what another rank has.
  Status read(uint32_t buffer, uint64_t offset, std::span<std::byte> out) const;

private:
  std::string describe(const plan::SavedRange &range, uint64_t byte) const;

  const plan::Plan &plan;
  const plan::SavedState state;
  const Arenas &arenas;
  Device &device;
  char *const room;
};

} // namespace ft::rt
