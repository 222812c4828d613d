// Dynamic loss scaling: what makes f16 gradients possible.
#pragma once

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// Multiplies the gradients of the differentiated loss by the scale in a new variable @loss_scale, which starts as
/// PyTorch's GradScaler does; what the optimizer does about it: addOptimizer. The loss itself stays what it is.
mlir::LogicalResult scaleLoss(mlir::ModuleOp module);

} // namespace ft
