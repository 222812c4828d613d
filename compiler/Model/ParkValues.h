// Values that the host holds between forward and backward.
#pragma once

#include "compiler/Model/RecomputePolicy.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace ft {

/// In a segment behind differentiation and `recompute`: of each layer but the last, values of the forward part that
/// `park` names and backward reads leave for the host behind their last reader of the forward part, in front of the
/// next product, and come back in front of their first of backward, all of whose readers take what came back
/// (ft.transfer). The same bits.
void parkValues(mlir::func::FuncOp segment, Park park);

} // namespace ft
