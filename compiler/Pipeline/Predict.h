// Predicted times of steps from a target's measured rates.
#pragma once

#include "recipes/target.pb.h"

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// Sets `predicted_us` of every step from the rates that its kind reaches on the target, the cost of a launch included:
/// the larger of what its flops and what the bytes of its operands take. `mesh`: ranks along each axis.
void predictTimes(mlir::ModuleOp module, const recipe::TargetSpec &target, llvm::ArrayRef<int64_t> mesh = {});

} // namespace ft
