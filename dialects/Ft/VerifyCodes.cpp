// Operations on codes of 8 bits.
#include "dialects/Ft/Verify.h"

using namespace mlir;
using namespace ft::model;

LogicalResult QuantizeRowsOp::verify() {
  if (getX().empty())
    return emitOpError("(C1) has no matrix; must have at least one");
  if (failed(checkEqual(*this, "C1", "number of results of codes", getCodes().size(), getX().size())))
    return failure();
  for (auto [x, codes] : llvm::zip(getX(), getCodes()))
    if (failed(checkEqual(*this, "C1", "rows of a matrix", dim(x, 0), dim(getX().front(), 0))) ||
        failed(checkShape(*this, "C1", "codes", codes, shape(x))))
      return failure();
  if (failed(checkShape(*this, "C2", "scale", getScale(), {dim(getX().front(), 0)})))
    return failure();
  if (!getFold().empty() &&
      failed(checkEqual(*this, "C3", "number of vectors to fold", getFold().size(), getX().size())))
    return failure();
  for (auto [x, fold] : llvm::zip(getX(), getFold()))
    if (failed(checkShape(*this, "C3", "fold", fold, {dim(x, 1)})))
      return failure();
  for (Value x : getX())
    if (elementType(x).isF64())
      return emitOpError("(C4) quantises f64; must be f32 or bf16");
  return success();
}

LogicalResult StoredOp::verify() {
  if (failed(checkShape(*this, "C1", "codes", getCodes(), shape(getW()))))
    return failure();
  return checkShape(*this, "C2", "scales", getScales(), {dim(getW(), 0)});
}

LogicalResult TransposeOp::verify() {
  if (getWeights().empty())
    return emitOpError("(C1) has no weight; must have at least one");
  int64_t rows = 0;
  for (Value weight : getWeights()) {
    if (failed(checkEqual(*this, "C1", "columns of a weight", dim(weight, 1), dim(getWeights().front(), 1))))
      return failure();
    rows += dim(weight, 0);
  }
  return checkShape(*this, "C2", "result", getResult(), {dim(getWeights().front(), 1), rows});
}

LogicalResult ScaledLinearOp::verify() {
  if (getWeights().empty())
    return emitOpError("(C1) has no weight; must have at least one");
  if (failed(checkEqual(*this, "C1", "number of scales of weights", getWeightScales().size(), getWeights().size())) ||
      failed(checkEqual(*this, "C1", "number of results", getResults().size(), getWeights().size())) ||
      failed(checkShape(*this, "C2", "x_scale", getXScale(), {dim(getX(), 0)})))
    return failure();
  const Type element = elementType(getResults().front());
  for (auto [weight, scales, result] : llvm::zip(getWeights(), getWeightScales(), getResults()))
    if (failed(checkEqual(*this, "C2", "columns of a weight", dim(weight, 1), dim(getX(), 1))) ||
        failed(checkShape(*this, "C2", "scales of a weight", scales, {dim(weight, 0)})) ||
        failed(checkShape(*this, "C3", "result", result, {dim(getX(), 0), dim(weight, 0)})) ||
        failed(checkElement(*this, "C3", "result", result, element)))
      return failure();
  if (failed(checkEqual(*this, "C4", "number of low-rank weights", getLowRankWeights().size(), getLowRank().size())) ||
      failed(checkEqual(*this, "C4", "length of low_rank_of", getLowRankOf().size(), getLowRank().size())))
    return failure();
  for (auto [s, b, of] : llvm::zip(getLowRank(), getLowRankWeights(), getLowRankOf())) {
    if (of < 0 || of >= int64_t(getWeights().size()))
      return emitOpError("(C4) low_rank_of names weight ") << of << "; must be in [0, " << getWeights().size() << ")";
    if (failed(checkShape(*this, "C5", "low-rank weight", b, {dim(getWeights()[of], 0), dim(s, 1)})) ||
        failed(checkEqual(*this, "C5", "rows of a low-rank input", dim(s, 0), dim(getX(), 0))) ||
        failed(checkElement(*this, "C5", "low-rank input", s, element)) ||
        failed(checkElement(*this, "C5", "low-rank weight", b, element)))
      return failure();
  }
  return success();
}

LogicalResult ScaledLinearBwdInputOp::verify() {
  if (getGrads().empty())
    return emitOpError("(C1) has no gradient; must have at least one");
  int64_t columns = 0;
  for (Value grad : getGrads()) {
    if (failed(checkEqual(*this, "C1", "rows of a gradient", dim(grad, 0), dim(getDx(), 0))))
      return failure();
    columns += dim(grad, 1);
  }
  if (failed(checkShape(*this, "C1", "grad_scale", getGradScale(), {dim(getDx(), 0)})) ||
      failed(checkEqual(*this, "C1", "columns of all gradients", columns, dim(getWeights(), 1))) ||
      failed(checkEqual(*this, "C2", "rows of weights", dim(getWeights(), 0), dim(getDx(), 1))) ||
      failed(checkShape(*this, "C2", "weight_scale", getWeightScale(), {dim(getDx(), 1)})) ||
      failed(checkEqual(*this, "C3", "number of low-rank weights", getLowRankWeights().size(), getLowRank().size())))
    return failure();
  for (auto [ds, a] : llvm::zip(getLowRank(), getLowRankWeights()))
    if (failed(checkEqual(*this, "C4", "rows of a low-rank gradient", dim(ds, 0), dim(getDx(), 0))) ||
        failed(checkShape(*this, "C4", "low-rank weight", a, {dim(ds, 1), dim(getDx(), 1)})) ||
        failed(checkElement(*this, "C4", "low-rank gradient", ds, elementType(getDx()))) ||
        failed(checkElement(*this, "C4", "low-rank weight", a, elementType(getDx()))))
      return failure();
  return success();
}
