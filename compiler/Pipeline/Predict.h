// Predicted times of steps from a target's measured rates.
#pragma once

#include "recipes/target.pb.h"

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// Sets `predicted_us` of every step: the larger of flops over the sustained rate and bytes over the copy rate, plus
/// the cost of a launch. Bytes are those that operands declare.
void predictTimes(mlir::ModuleOp module, const recipe::TargetSpec &target);

} // namespace ft
