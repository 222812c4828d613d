// Sums and conversions.
#include "compiler/Fusion/Rows/Rows.h"

using namespace mlir;
using namespace ft::model;

namespace ft {

static LogicalResult emitAdd(AddOp op, RowEmitter &emitter) {
  Type compute = getComputeType(op);
  Value lhs = emitter.row(op.getLhs(), compute), rhs = emitter.row(op.getRhs(), compute);
  emitter.define(op.getResult(), emitter.getBuilder().add(lhs, rhs));
  return success();
}

static LogicalResult emitCast(CastOp op, RowEmitter &emitter) {
  Type storage = cast<RankedTensorType>(op.getX().getType()).getElementType();
  emitter.define(op.getResult(), emitter.row(op.getX(), storage));
  return success();
}

void attachElementwiseModels(MLIRContext &context) {
  attachRowModel<AddOp, emitAdd, rowsOfMatrix, firstOperands<2>>(context);
  attachRowModel<CastOp, emitCast, rowsOfMatrix, firstOperands<1>>(context);
}

} // namespace ft
