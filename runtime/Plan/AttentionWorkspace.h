// The workspace of library attention as a formula: plans are made where no library can be asked.
#pragma once

#include "runtime/Plan/plan.pb.h"

#include <cstdint>

namespace ft::rt {

/// Bytes that cuDNN 9.19 and the driver need on Hopper (docs/rationale/attention-workspace.md).
struct AttentionWorkspaceBytes {
  uint64_t library = 0; ///< what cuDNN asks for
  uint64_t own = 0;     ///< what the driver's graph keeps beside it, and document offsets; each at 256 bytes

  uint64_t total() const { return (library + 255) / 256 * 256 + own; }
};

/// Of `attention`, whose shape, form, pitches and `deterministic` are set; operands are not looked at.
AttentionWorkspaceBytes attentionWorkspaceBytes(const plan::Attention &attention);

} // namespace ft::rt
