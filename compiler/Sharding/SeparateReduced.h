// dist-separate-reduced: what a step's last micro-batch leaves is not what it accumulates onto.
#pragma once

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// Where a step has several micro-batches, gives every bucket of gradients @B a variable @B.reduced at the same place:
/// the gradient of the whole step over all ranks, where @B is the sum of the micro-batches so far on this one. @update
/// reads it, and the step's last micro-batch writes it: @accumulate_last, made here as a copy of @accumulate_next. So
/// it makes @accumulate_last_targets of @accumulate_next_targets, where there is one.
void separateReduced(mlir::ModuleOp module);

} // namespace ft
