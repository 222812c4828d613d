// Moving an operation together with what depends on it. Sound in a segment: operations are pure but for ft.write, which
// no read of its variable follows, and collectives, whose order among themselves the callers keep.
#pragma once

#include "mlir/IR/Operation.h"

namespace ft {

/// The operations of `op`'s block that depend on its results and stand before `end`, in block order; all of the block
/// where `end` is null.
llvm::SmallVector<mlir::Operation *> dependents(mlir::Operation *op, mlir::Operation *end = nullptr);

/// Moves those of the operations that depend on `op` and stand before it to right behind it, in their order: for when
/// its results have replaced earlier values.
void moveUsersBehind(mlir::Operation *op);

} // namespace ft
