#include "dialects/Ft/Verify.h"

#include <limits>

using namespace mlir;
using namespace ft::model;

LogicalResult LinearOp::verify() {
  if (getWeights().empty())
    return emitOpError("(C1) has no weight; must have at least one");
  if (failed(checkEqual(*this, "C1", "number of results", getResults().size(), getWeights().size())))
    return failure();
  for (auto [weight, result] : llvm::zip(getWeights(), getResults()))
    if (failed(checkEqual(*this, "C2", "columns of a weight", dim(weight, 1), dim(getX(), 1))) ||
        failed(checkElement(*this, "C2", "weight", weight, elementType(getX()))) ||
        failed(checkShape(*this, "C3", "result", result, {dim(getX(), 0), dim(weight, 0)})))
      return failure();
  if (failed(checkEqual(*this, "C4", "number of low-rank weights", getLowRankWeights().size(), getLowRank().size())) ||
      failed(checkEqual(*this, "C4", "length of low_rank_of", getLowRankOf().size(), getLowRank().size())))
    return failure();
  for (auto [s, b, of] : llvm::zip(getLowRank(), getLowRankWeights(), getLowRankOf())) {
    if (of < 0 || of >= int64_t(getWeights().size()))
      return emitOpError("(C4) low_rank_of names weight ") << of << "; must be in [0, " << getWeights().size() << ")";
    if (failed(checkShape(*this, "C5", "low-rank weight", b, {dim(getWeights()[of], 0), dim(s, 1)})) ||
        failed(checkEqual(*this, "C5", "rows of a low-rank input", dim(s, 0), dim(getX(), 0))) ||
        failed(checkElement(*this, "C5", "low-rank input", s, elementType(getX()))) ||
        failed(checkElement(*this, "C5", "low-rank weight", b, elementType(getX()))))
      return failure();
  }
  return success();
}

LogicalResult LinearBwdInputOp::verify() {
  if (getGrads().empty())
    return emitOpError("(C1) has no gradient; must have at least one");
  for (auto [grad, weight] : llvm::zip(getGrads(), getWeights()))
    if (failed(checkShape(*this, "C2", "gradient", grad, {dim(getDx(), 0), dim(weight, 0)})) ||
        failed(checkEqual(*this, "C3", "columns of a weight", dim(weight, 1), dim(getDx(), 1))) ||
        failed(checkElement(*this, "C4", "weight", weight, elementType(grad))) ||
        failed(checkElement(*this, "C4", "gradient", grad, elementType(getGrads().front()))))
      return failure();
  return success();
}

LogicalResult LinearBwdWeightOp::verify() {
  if (failed(checkEqual(*this, "C1", "rows of the gradient", dim(getGrad(), 0), dim(getX(), 0))) ||
      failed(checkElement(*this, "C1", "gradient", getGrad(), elementType(getX()))) ||
      failed(checkShape(*this, "C2", "dw", getDw(), {dim(getGrad(), 1), dim(getX(), 1)})))
    return failure();
  if (getAccumulate())
    return checkSameType(*this, "C3", "accumulate", getAccumulate(), getDw());
  return success();
}

LogicalResult DequantizeOp::verify() {
  if (getWeights().empty())
    return emitOpError("(C1) has no weight; must have at least one");
  const Type element = elementType(getWeights().front());
  if (failed(checkEqual(*this, "C1", "number of results", getNumResults(), getNumOperands())))
    return failure();
  for (auto [operand, result] : llvm::zip(getOperands(), getResults()))
    if (failed(checkElement(*this, "C1", "operand", operand, element)) ||
        failed(checkSameType(*this, "C1", "result", result, operand)))
      return failure();
  for (OperandRange matrices : {getWeights(), getBelow()})
    for (Value matrix : matrices)
      if (failed(checkEqual(*this, "C2", "columns", dim(matrix, 1), dim(getWeights().front(), 1))))
        return failure();
  if (failed(checkEqual(*this, "C3", "length of beside_of", getBesideOf().size(), getBeside().size())))
    return failure();
  for (auto [matrix, of] : llvm::zip(getBeside(), getBesideOf())) {
    if (of < 0 || of >= int64_t(getWeights().size()))
      return emitOpError("(C3) beside_of names weight ") << of << "; must be in [0, " << getWeights().size() << ")";
    if (failed(checkEqual(*this, "C3", "rows beside a weight", dim(matrix, 0), dim(getWeights()[of], 0))))
      return failure();
  }
  return success();
}

namespace {
/// The constraints that attention and its derivative share.
template <typename Op> LogicalResult verifyAttention(Op op) {
  const int64_t tokens = dim(op.getQ(), 0);
  const int64_t queryWidth = op.getHeads() * op.getHeadDim(), keyWidth = op.getKvHeads() * op.getHeadDim();
  if (op.getHeads() <= 0 || op.getKvHeads() <= 0 || op.getHeads() % op.getKvHeads())
    return op.emitOpError("(C1) heads is ")
           << op.getHeads() << " and kv_heads " << op.getKvHeads() << "; heads must be a positive multiple of kv_heads";
  if (op.getSequenceLen() <= 0 || tokens % op.getSequenceLen())
    return op.emitOpError("(C2) sequence_len is ")
           << op.getSequenceLen() << "; must divide the " << tokens << " tokens";
  if (failed(checkShape(op, "C3", "q", op.getQ(), {tokens, queryWidth})) ||
      failed(checkShape(op, "C3", "k", op.getK(), {tokens, keyWidth})) ||
      failed(checkShape(op, "C3", "o", op.getO(), {tokens, queryWidth})) ||
      failed(checkSameType(op, "C3", "v", op.getV(), op.getK())) ||
      failed(checkElement(op, "C3", "k", op.getK(), elementType(op.getQ()))) ||
      failed(checkElement(op, "C3", "o", op.getO(), elementType(op.getQ()))) ||
      failed(checkShape(op, "C4", "lse", op.getLse(), {tokens, int64_t(op.getHeads())})) ||
      failed(checkEqual(op, "C5", "length of document_start", dim(op.getDocumentStart(), 0), tokens)) ||
      failed(checkEqual(op, "C5", "length of document_offsets", dim(op.getDocumentOffsets(), 0),
                        dim(op.getDocumentLens(), 0) + 1)))
    return failure();
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (failed(
          checkRange(op, "C6", "scale", op.getScale().convertToDouble(), std::numeric_limits<double>::min(), infinity)))
    return failure();
  return checkRange(op, "C7", "window", double(op.getWindow().value_or(1)), 1, infinity);
}
} // namespace

LogicalResult AttentionOp::verify() { return verifyAttention(*this); }

LogicalResult AttentionBwdOp::verify() {
  if (failed(verifyAttention(*this)) || failed(checkSameType(*this, "C8", "d_o", getDO(), getO())) ||
      failed(checkSameType(*this, "C8", "d_q", getDQ(), getQ())) ||
      failed(checkSameType(*this, "C8", "d_k", getDK(), getK())))
    return failure();
  return checkSameType(*this, "C8", "d_v", getDV(), getV());
}

namespace {
template <typename Op> LogicalResult verifyHead(Op op) {
  if (failed(checkEqual(op, "C1", "columns of weight", dim(op.getWeight(), 1), dim(op.getX(), 1))) ||
      failed(checkElement(op, "C1", "weight", op.getWeight(), elementType(op.getX()))))
    return failure();
  return checkEqual(op, "C2", "length of labels", dim(op.getLabels(), 0), dim(op.getX(), 0));
}
} // namespace

LogicalResult HeadLossOp::verify() { return verifyHead(*this); }

LogicalResult HeadLossGradOp::verify() {
  if (failed(verifyHead(*this)) || failed(checkSameType(*this, "C3", "dx", getDx(), getX())))
    return failure();
  if (getDw() && failed(checkShape(*this, "C4", "dw", getDw(), shape(getWeight()))))
    return failure();
  if (getLossScale() && failed(checkShape(*this, "C6", "loss_scale", getLossScale(), {5})))
    return failure();
  if (getAccumulate() && !getDw())
    return emitOpError("(C5) accumulates a weight gradient that it does not return");
  if (getAccumulate())
    return checkSameType(*this, "C5", "accumulate", getAccumulate(), getDw());
  return success();
}
