// What a checkpoint holds of a plan's memory, and how the arena "checkpoint" holds it until it is written.
#pragma once

#include "runtime/Plan/plan.pb.h"

#include <cstdint>
#include <vector>

namespace ft::plan {

/// The executor's PINNED arena into which a step's end is copied; a plan whose run makes no checkpoints has none.
inline constexpr char checkpointArena[] = "checkpoint";

/// One piece of a rank's buffer and where it waits: bytes [begin, end) of it, from `staged` in the arena. They are
/// bytes `whole` and on of what the places of tensors count in, which is more than the buffer where ranks have shares
/// of it.
struct SavedRange {
  uint32_t buffer = 0;
  uint64_t begin = 0, end = 0, whole = 0, staged = 0;
};

/// Whether an update changes tensors of this role beside parameters: moments, remainders and the like.
bool isState(Tensor::Role role);
/// Whether a checkpoint holds tensors of this role: what an update changes.
bool isSaved(Tensor::Role role);

/// The tensors that a checkpoint holds, and of each buffer the least range with all of them, or the rank's share.
/// Trained parameters and moments lie in buckets, so that ranges hold little beside them.
struct SavedState {
  std::vector<uint32_t> tensors;  ///< indices into Plan.tensors
  std::vector<SavedRange> ranges; ///< by buffer
  uint64_t bytes = 0;             ///< the least size of the arena
};

/// Of a plan whose buffers and tensors have been checked. Sizes and places in the arena are the same on every rank.
SavedState savedState(const Plan &plan, uint32_t rank = 0);

} // namespace ft::plan
