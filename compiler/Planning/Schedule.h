// Which stream runs each step of a plan module, in which order, and which events keep them in order.
#pragma once

#include "dialects/Plan/PlanDialect.h"

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// What a step occupies. Each resource has a stream of its own, numbered as here.
enum class Resource : unsigned {
  Compute, ///< kernels, library calls, and copies inside device memory: these share its processors and its bandwidth
  Copy,    ///< transfers from host to device memory
  Ranks,   ///< collectives: the links between ranks
  Host,    ///< kernels on the processors of the host
  Leave,   ///< transfers from device to host memory
  Ahead,   ///< transposes: of weights, which lie there before the segment begins
};

struct ScheduleOptions {
  int64_t prefetchDepth = 2; ///< values that are fetched ahead of their first use
};

/// Gives every step its stream, reorders each segment by list scheduling on predicted_us and inserts the fewest events
/// that keep dependent steps in order. Comes before addresses: dependences are those of values, not of memory that is
/// used again. A segment that only computes stays as it is. Sets the module's attribute `plan.streams` to the names.
void schedule(mlir::ModuleOp module, const ScheduleOptions &options = {});

} // namespace ft
