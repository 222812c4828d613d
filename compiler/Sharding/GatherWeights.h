// Which uses of split weights share a gather.
#pragma once

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// Has the uses of split weights, in segments that run on tokens, ask for the whole (dist.constraint). A whole is kept
/// while no more than twice the bytes of the largest is: then what was used longest ago is given up, and gathered again
/// where it is used next. So a block's forward pass shares one gather and its backward pass another, the last blocks
/// are not gathered twice, and a rank never holds the model. Needs the shardings of variables.
void gatherWeights(mlir::ModuleOp module);

} // namespace ft
