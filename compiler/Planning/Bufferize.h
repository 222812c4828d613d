// From fused segments over tensors to steps over buffers.
#pragma once

#include "compiler/Planning/PlanningOptions.h"

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// Replaces the segment functions and variables of `module` by plan operations with buffers that have no offsets yet,
/// and by the distinct kernels as kernel.func. Fails with an error on the operation that has no lowering.
mlir::LogicalResult bufferize(mlir::ModuleOp module, const PlanningOptions &options);

} // namespace ft
