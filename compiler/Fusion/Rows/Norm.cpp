// RMSNorm (Zhang and Sennrich, "Root mean square layer normalization", 2019) over one row, or over one run of its
// columns: a head.
#include "compiler/Fusion/Rows/Rows.h"

using namespace mlir;
using namespace ft::model;

namespace ft {

/// Σ a · b / features; lanes of padding are zero.
static Value meanProduct(RowBuilder &b, Value left, Value right, std::optional<uint64_t> features) {
  Value sum = b.sum(b.mul(left, right));
  return b.div(sum, b.number(double(features.value_or(getLength(left))), sum.getType()));
}

/// The run's weight, offset included.
template <typename Op> static Value weightOf(Op op, RowEmitter &emitter, Type compute) {
  Value weight = emitter.shared(op.getWeight(), compute);
  if (op.getOffset().isZero())
    return weight;
  return emitter.getBuilder().add(emitter.getBuilder().number(op.getOffset().convertToDouble(), compute), weight);
}

static int64_t runLength(Value weight) { return cast<RankedTensorType>(weight.getType()).getDimSize(0); }

static LogicalResult emitNorm(RmsNormOp op, RowEmitter &emitter) {
  RowBuilder &b = emitter.getBuilder();
  Type compute = getComputeType(op);
  Value x = emitter.run(op.getX(), runLength(op.getWeight()), compute);
  Value shifted = b.add(meanProduct(b, x, x, op.getFeatures()), b.number(op.getEps().convertToDouble(), compute));
  Value rstd = b.div(b.number(1.0, compute), b.sqrt(shifted));
  emitter.define(op.getRstd(), rstd);
  emitter.define(op.getY(), b.mul(b.mul(x, rstd), weightOf(op, emitter, compute)));
  return success();
}

static LogicalResult emitNormApply(RmsNormApplyOp op, RowEmitter &emitter) {
  RowBuilder &b = emitter.getBuilder();
  Type compute = getComputeType(op);
  Value x = emitter.run(op.getX(), runLength(op.getWeight()), compute);
  Value scaled = b.mul(x, emitter.scalar(op.getRstd(), compute));
  emitter.define(op.getY(), b.mul(scaled, weightOf(op, emitter, compute)));
  return success();
}

/// With n = x · rstd and g = dy · w: dx = rstd · (g − n · mean(g · n)).
static LogicalResult emitNormBackward(RmsNormBwdOp op, RowEmitter &emitter) {
  RowBuilder &b = emitter.getBuilder();
  Type compute = getComputeType(op);
  const int64_t length = runLength(op.getWeight());
  Value rstd = emitter.scalar(op.getRstd(), compute);
  Value normed = b.mul(emitter.run(op.getX(), length, compute), rstd);
  Value scaled = b.mul(emitter.run(op.getDy(), length, compute), weightOf(op, emitter, compute));
  Value mean = meanProduct(b, scaled, normed, op.getFeatures());
  emitter.define(op.getDx(), b.mul(b.sub(scaled, b.mul(normed, mean)), rstd));
  return success();
}

template <typename Op> static LogicalResult runsOfNorm(Operation *op, RowSpace &space) {
  space = getRunsOf(op->getResult(0), runLength(cast<Op>(op).getWeight()));
  return success();
}

void attachNormModels(MLIRContext &context) {
  attachRowModel<RmsNormOp, emitNorm, runsOfNorm<RmsNormOp>, firstOperands<1>>(context);
  attachRowModel<RmsNormApplyOp, emitNormApply, runsOfNorm<RmsNormApplyOp>, firstOperands<1>>(context);
  attachRowModel<RmsNormBwdOp, emitNormBackward, runsOfNorm<RmsNormBwdOp>, firstOperands<2>>(context);
}

} // namespace ft
