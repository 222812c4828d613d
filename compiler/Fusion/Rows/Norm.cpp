// RMSNorm (Zhang and Sennrich, "Root mean square layer normalization", 2019) over one row.
#include "compiler/Fusion/Rows/Rows.h"

using namespace mlir;
using namespace ft::model;

namespace ft {

/// Σ a · b / D.
static Value meanProduct(RowBuilder &b, Value left, Value right) {
  Value sum = b.sum(b.mul(left, right));
  return b.div(sum, b.number(double(getLength(left)), sum.getType()));
}

static LogicalResult emitNorm(RmsNormOp op, RowEmitter &emitter) {
  RowBuilder &b = emitter.getBuilder();
  Type compute = getComputeType(op);
  Value x = emitter.row(op.getX(), compute);
  Value shifted = b.add(meanProduct(b, x, x), b.number(op.getEps().convertToDouble(), compute));
  Value rstd = b.div(b.number(1.0, compute), b.sqrt(shifted));
  emitter.define(op.getRstd(), rstd);
  emitter.define(op.getY(), b.mul(b.mul(x, rstd), emitter.shared(op.getWeight(), compute)));
  return success();
}

static LogicalResult emitNormApply(RmsNormApplyOp op, RowEmitter &emitter) {
  RowBuilder &b = emitter.getBuilder();
  Type compute = getComputeType(op);
  Value scaled = b.mul(emitter.row(op.getX(), compute), emitter.scalar(op.getRstd(), compute));
  emitter.define(op.getY(), b.mul(scaled, emitter.shared(op.getWeight(), compute)));
  return success();
}

/// With n = x · rstd and g = dy · w: dx = rstd · (g − n · mean(g · n)).
static LogicalResult emitNormBackward(RmsNormBwdOp op, RowEmitter &emitter) {
  RowBuilder &b = emitter.getBuilder();
  Type compute = getComputeType(op);
  Value rstd = emitter.scalar(op.getRstd(), compute);
  Value normed = b.mul(emitter.row(op.getX(), compute), rstd);
  Value scaled = b.mul(emitter.row(op.getDy(), compute), emitter.shared(op.getWeight(), compute));
  Value mean = meanProduct(b, scaled, normed);
  emitter.define(op.getDx(), b.mul(b.sub(scaled, b.mul(normed, mean)), rstd));
  return success();
}

void attachNormModels(MLIRContext &context) {
  attachRowModel<RmsNormOp, emitNorm, rowsOfResult, firstOperands<1>>(context);
  attachRowModel<RmsNormApplyOp, emitNormApply, rowsOfResult, firstOperands<1>>(context);
  attachRowModel<RmsNormBwdOp, emitNormBackward, rowsOfResult, firstOperands<2>>(context);
}

} // namespace ft
