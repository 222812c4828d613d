// The element types of variables and values (docs/numerics.md, the table of precision modes).
#pragma once

#include "compiler/Model/ModelOptions.h"

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// Retypes a module that was built in f32: parameters as stored, values as computed, working copies of trained
/// weights where the products read another type than the masters', gradient_type of trained parameters.
/// `accumulates`: gradients are summed over more than one micro-batch. `copyAdapters`: adapters have working copies
/// even where they are stored in the products' type. `bf16Gradients`: those of full weights in BF16_MIXED. Runs before
/// differentiation, which follows the types it finds.
mlir::LogicalResult applyPrecision(mlir::ModuleOp module, Precision precision, bool accumulates,
                                   bool copyAdapters = false, bool bf16Gradients = false);

} // namespace ft
