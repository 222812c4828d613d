// Gradient accumulation over the micro-batches of a step.
#pragma once

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// Completes @accumulate_first: the micro-batch's loss is checked for being finite (STATUS). With more than one
/// micro-batch a step, clones it to @accumulate_next, where every gradient and LOSS go on top of what they hold. The
/// same of @accumulate_first_targets, where there is one.
mlir::LogicalResult accumulate(mlir::ModuleOp module, int64_t steps);

} // namespace ft
