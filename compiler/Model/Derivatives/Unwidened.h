// Gradients of values that are wider than what they come from and go to.
#pragma once

#include "dialects/Ft/Ft.h"

#include "mlir/IR/TypeUtilities.h"

namespace ft {

/// A gradient, which may be null, as it was before it took the type of a wider value. A product that is rounded with
/// its bias is such a value: its operands are narrower, and so is the gradient that they are multiplied with.
inline mlir::Value unwidened(mlir::Value grad) {
  auto cast = grad ? grad.getDefiningOp<model::CastOp>() : nullptr;
  if (!cast)
    return grad;
  const unsigned from = mlir::getElementTypeOrSelf(cast.getX()).getIntOrFloatBitWidth(),
                 to = mlir::getElementTypeOrSelf(cast.getResult()).getIntOrFloatBitWidth();
  return from < to ? cast.getX() : grad;
}

} // namespace ft
