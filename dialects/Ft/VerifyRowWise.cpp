#include "dialects/Ft/Verify.h"

#include <limits>

using namespace mlir;
using namespace ft::model;

static constexpr double infinity = std::numeric_limits<double>::infinity();

LogicalResult EmbeddingOp::verify() {
  return checkShape(*this, "C1", "result", getResult(), {dim(getIds(), 0), dim(getTable(), 1)});
}

LogicalResult EmbeddingGradOp::verify() {
  if (failed(checkEqual(*this, "C1", "length of positions", dim(getPositions(), 0), dim(getGrad(), 0))) ||
      failed(checkEqual(*this, "C2", "length of starts", dim(getStarts(), 0), dim(getIds(), 0) + 1)) ||
      failed(checkEqual(*this, "C3", "columns of the result", dim(getResult(), 1), dim(getGrad(), 1))))
    return failure();
  if (getAccumulate())
    return checkSameType(*this, "C4", "accumulate", getAccumulate(), getResult());
  return success();
}

namespace {
/// A norm's weight (or its gradient) of G elements, and the statistics of each run of G columns of `x`.
LogicalResult checkRuns(Operation *op, StringRef what, Value x, Value weight, Value rstd) {
  const int64_t columns = dim(x, 1), run = dim(weight, 0);
  if (columns % run)
    return op->emitOpError("(C2) ") << what << " has " << run << " elements; must be a divisor of the " << columns
                                    << " columns of x";
  SmallVector<int64_t> statistics{dim(x, 0)};
  if (run != columns)
    statistics.push_back(columns / run);
  return checkShape(op, "C3", "rstd", rstd, statistics);
}

LogicalResult checkFeatures(Operation *op, StringRef label, std::optional<int64_t> features, Value weight) {
  return checkRange(op, label, "features", double(features.value_or(1)), 1, double(dim(weight, 0)) + 1);
}
} // namespace

LogicalResult RmsNormOp::verify() {
  if (failed(checkShape(*this, "C1", "y", getY(), shape(getX()))) ||
      failed(checkRuns(*this, "weight", getX(), getWeight(), getRstd())) ||
      failed(checkRange(*this, "C4", "eps", getEps().convertToDouble(), 0, infinity)))
    return failure();
  return checkFeatures(*this, "C5", getFeatures(), getWeight());
}

LogicalResult RmsNormApplyOp::verify() {
  if (failed(checkShape(*this, "C1", "y", getY(), shape(getX()))))
    return failure();
  return checkRuns(*this, "weight", getX(), getWeight(), getRstd());
}

LogicalResult RmsNormBwdOp::verify() {
  if (failed(checkSameType(*this, "C1", "dx", getDx(), getX())) ||
      failed(checkShape(*this, "C1", "dy", getDy(), shape(getX()))) ||
      failed(checkRuns(*this, "weight", getX(), getWeight(), getRstd())))
    return failure();
  return checkFeatures(*this, "C4", getFeatures(), getWeight());
}

LogicalResult RmsNormWeightGradOp::verify() {
  if (failed(checkShape(*this, "C1", "dy", getDy(), shape(getX()))) ||
      failed(checkRuns(*this, "dw", getX(), getDw(), getRstd())))
    return failure();
  if (getAccumulate())
    return checkSameType(*this, "C4", "accumulate", getAccumulate(), getDw());
  return success();
}

LogicalResult AddBiasOp::verify() {
  if (failed(checkSameType(*this, "C1", "result", getResult(), getX())))
    return failure();
  return checkShape(*this, "C2", "bias", getBias(), {dim(getX(), 1)});
}

LogicalResult BiasGradOp::verify() {
  if (failed(checkShape(*this, "C1", "result", getResult(), {dim(getGrad(), 1)})))
    return failure();
  if (getAccumulate())
    return checkSameType(*this, "C2", "accumulate", getAccumulate(), getResult());
  return success();
}

LogicalResult ScaleOp::verify() {
  if (!getFactor().isFinite())
    return emitOpError("(C2) factor must be finite");
  return checkShape(*this, "C1", "result", getResult(), shape(getX()));
}

LogicalResult RopeOp::verify() {
  const int64_t headDim = getHeadDim();
  if (headDim <= 0 || headDim % 2)
    return emitOpError("(C1) head_dim is ") << headDim << "; must be positive and even";
  if (failed(checkSameType(*this, "C2", "q_out", getQOut(), getQ())) ||
      failed(checkSameType(*this, "C2", "k_out", getKOut(), getK())))
    return failure();
  for (Value x : {Value(getQ()), Value(getK())})
    if (failed(checkEqual(*this, "C3", "columns modulo head_dim", dim(x, 1) % headDim, 0)) ||
        failed(checkEqual(*this, "C4", "tokens", dim(x, 0), dim(getPositions(), 0))))
      return failure();
  if (failed(checkEqual(*this, "C5", "columns of cos", dim(getCos(), 1), headDim / 2)))
    return failure();
  return checkSameType(*this, "C5", "sin", getSin(), getCos());
}

LogicalResult SwigluOp::verify() {
  if (failed(checkSameType(*this, "C1", "up", getUp(), getGate())))
    return failure();
  return checkSameType(*this, "C1", "result", getResult(), getGate());
}

LogicalResult SwigluBwdOp::verify() {
  if (failed(checkSameType(*this, "C1", "up", getUp(), getGate())) ||
      failed(checkSameType(*this, "C1", "grad", getGrad(), getGate())) ||
      failed(checkSameType(*this, "C1", "d_gate", getDGate(), getGate())))
    return failure();
  return checkSameType(*this, "C1", "d_up", getDUp(), getGate());
}

LogicalResult AddOp::verify() {
  if (failed(checkShape(*this, "C1", "rhs", getRhs(), shape(getLhs()))))
    return failure();
  return checkShape(*this, "C1", "result", getResult(), shape(getLhs()));
}

LogicalResult CastOp::verify() {
  if (failed(checkShape(*this, "C1", "result", getResult(), shape(getX()))))
    return failure();
  if (elementType(getX()) == elementType(getResult()))
    return emitOpError("(C2) casts ") << elementType(getX()) << " to itself";
  return success();
}

LogicalResult DropoutOp::verify() {
  if (failed(checkSameType(*this, "C1", "result", getResult(), getX())) ||
      failed(checkRange(*this, "C2", "p", getP().convertToDouble(), 0, 1)) ||
      failed(checkEqual(*this, "C3", "length of key", dim(getKey(), 0), 1)))
    return failure();
  PaddingAttr padding = getPaddingAttr();
  if (padding && (padding.getDim() != 1 || !padding.fits(shape(getX())) || padding.getUsed() % 4 != 0 ||
                  padding.getBlock() % 4 != 0))
    return emitOpError("(C4) ") << padding << " does not fit " << getX().getType()
                                << ": must be of dimension 1, with multiples of 4";
  return getRows() ? checkEqual(*this, "C5", "length of rows", dim(getRows(), 0), dim(getX(), 0)) : success();
}

LogicalResult GatherRowsOp::verify() {
  if (failed(checkShape(*this, "C1", "result", getResult(), {dim(getRows(), 0), dim(getX(), 1)})))
    return failure();
  return checkElement(*this, "C1", "result", getResult(), elementType(getX()));
}

LogicalResult ScatterRowsOp::verify() {
  if (failed(checkShape(*this, "C1", "result", getResult(), {dim(getSlots(), 0), dim(getX(), 1)})))
    return failure();
  return checkElement(*this, "C1", "result", getResult(), elementType(getX()));
}

LogicalResult GatherRowOp::verify() {
  if (failed(checkEqual(*this, "C1", "length of index", dim(getIndex(), 0), 1)) ||
      failed(checkShape(*this, "C2", "result", getResult(), {1, dim(getX(), 1)})))
    return failure();
  return checkElement(*this, "C2", "result", getResult(), elementType(getX()));
}
