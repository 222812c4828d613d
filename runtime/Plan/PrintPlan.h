// A plan as text: for `ftc explain`, and to find one's way from an offset to a step.
#pragma once

#include "runtime/Plan/plan.pb.h"

#include <string>

namespace ft::rt {

struct PrintPlanOptions {
  bool steps = true;   ///< the steps of each segment, one line each, operands included
  bool buffers = true; ///< one line a buffer, in order of arena and offset
  bool tensors = true; ///< one line a tensor
};

/// Header, memory by arena, kernels, inputs and outputs, and what `options` add. Works on unchecked plans as well: an
/// index out of range prints as "#<index>?".
std::string printPlan(const plan::Plan &plan, const PrintPlanOptions &options = {});

/// One step without its place: "gemm m 64 n 64 k 128 … a=x[0:8192]@1 …". An operand reads
/// name[first byte:end]@<version read>→<version written>, with rows × bytes / pitch where it has gaps.
std::string printStep(const plan::Plan &plan, const plan::Step &step);

} // namespace ft::rt
