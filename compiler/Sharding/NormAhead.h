#pragma once

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// Moves the norm of gradients that ranks reduce whole from @update behind the backward pass of the step's last
/// micro-batch, with their reductions in the order in which these start: sums of squares of the first are computed
/// while the last, for which computation would wait, are under way. @update reads the norm.
void computeNormAhead(mlir::ModuleOp module);

} // namespace ft
