// Sums, products with a constant, and conversions.
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

static LogicalResult emitAddBias(AddBiasOp op, RowEmitter &emitter) {
  Type compute = getComputeType(op);
  emitter.define(op.getResult(),
                 emitter.getBuilder().add(emitter.row(op.getX(), compute), emitter.shared(op.getBias(), compute)));
  return success();
}

static LogicalResult emitScale(ScaleOp op, RowEmitter &emitter) {
  RowBuilder &b = emitter.getBuilder();
  Type compute = getComputeType(op);
  APFloat factor = op.getFactor();
  bool inexact = false;
  factor.convert(cast<FloatType>(getElementTypeOrSelf(op.getX().getType())).getFloatSemantics(),
                 APFloat::rmNearestTiesToEven, &inexact);
  Value x = emitter.row(op.getX(), compute);
  emitter.define(op.getResult(), b.mul(x, b.number(factor.convertToDouble(), x.getType())));
  return success();
}

void attachElementwiseModels(MLIRContext &context) {
  attachRowModel<AddOp, emitAdd, rowsOfMatrix, firstOperands<2>>(context);
  attachRowModel<AddBiasOp, emitAddBias, rowsOfMatrix, firstOperands<1>>(context);
  attachRowModel<ScaleOp, emitScale, rowsOfMatrix, firstOperands<1>>(context);
  attachRowModel<CastOp, emitCast, rowsOfMatrix, firstOperands<1>>(context);
}

} // namespace ft
