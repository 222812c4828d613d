// The update of a step, and what must hold before the first one.
#pragma once

#include "compiler/Model/ModelOptions.h"

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// Adds @update (gradient norm, its check, one optimizer op per trained parameter, working copies) with the moments'
/// variables, and @initialize, which makes the working copies, where there are any.
mlir::LogicalResult addOptimizer(mlir::ModuleOp module, const OptimizerOptions &options);

} // namespace ft
