// Buckets, scalars, checks and optimizers: parameter, gradient and moments lie alike, scalars are everywhere the same.
#include "compiler/Sharding/Factors/Factors.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

/// A letter of its own for each dimension of a member, none of them to be split: a part of a bucket is a run of
/// elements, which no part of a member is.
void view(ViewOp op, FactorRule &rule) {
  rule.member(rule.whole(op.getBucket(), "bucket"), 0);
  rule.result(rule.whole(op.getResult(), "member"));
}

void assemble(AssembleOp op, FactorRule &rule) {
  SmallVector<SmallVector<unsigned, 2>> members;
  for (Value member : op.getMembers())
    members.push_back(rule.whole(member, "member"));
  for (const SmallVector<unsigned, 2> &letters : members)
    rule.member(letters, 0);
  rule.result(rule.whole(op.getBucket(), "bucket"));
}

void insert(InsertOp op, FactorRule &rule) {
  for (Value operand : op->getOperands())
    rule.operand(rule.whole(operand, "part"));
  rule.result(rule.whole(op.getResult(), "bucket"));
}

void accumulate(AccumulateOp op, FactorRule &rule) {
  const unsigned elements = rule.letter("bucket", LetterKind::Free);
  rule.added({elements}, 0);
  rule.added({elements}, 0);
  rule.result({elements});
}

void addScalar(AddScalarOp op, FactorRule &rule) {
  const unsigned one = rule.letter("scalar", LetterKind::Whole);
  rule.added({one}, 0);
  rule.added({one}, 0);
  rule.result({one});
}

void checkFinite(CheckFiniteOp op, FactorRule &rule) {
  const unsigned status = rule.letter("status", LetterKind::Whole);
  rule.operand(rule.whole(op.getValue(), "scalar"));
  rule.operand({status});
  rule.operand(rule.whole(op.getScalars(), "scalars"));
  rule.result({status});
}

void adjustScale(AdjustScaleOp op, FactorRule &rule) {
  for (Value operand : op->getOperands())
    rule.operand(rule.whole(operand, "scalars"));
  for (Value result : op->getResults())
    rule.result(rule.whole(result, "scalars"));
}

// The norm over ranks is the norm of their norms.
void gradNorm(GradNormOp op, FactorRule &rule) {
  rule.reduction = dist::Reduction::Norm2;
  rule.joint = true;
  for (Value gradient : op.getGrads()) {
    SmallVector<unsigned> letters;
    for (int64_t i = 0, rank = cast<RankedTensorType>(gradient.getType()).getRank(); i < rank; ++i)
      letters.push_back(rule.letter("gradient", LetterKind::Summed));
    rule.operand(letters);
  }
  rule.result(rule.whole(op.getNorm(), "norm"));
}

/// The letters of a parameter.
SmallVector<unsigned> parameter(Value param, FactorRule &rule) {
  SmallVector<unsigned> letters;
  for (int64_t i = 0, rank = cast<RankedTensorType>(param.getType()).getRank(); i < rank; ++i)
    letters.push_back(rule.letter("parameter", LetterKind::Free));
  return letters;
}

/// norm, status and scalars, and the options behind them. Of the bucket's parts, which the parameter's letter splits,
/// each has a row number.
template <typename Op> void step(Op op, unsigned elements, FactorRule &rule) {
  rule.operand(rule.whole(op.getNorm(), "norm"));
  rule.operand(rule.whole(op.getStatus(), "status"));
  rule.operand(rule.whole(op.getScalars(), "scalars"));
  if (op.getInverseScale())
    rule.operand(rule.whole(op.getInverseScale(), "inverse scale"));
  if (op.getRounding())
    rule.operand(rule.whole(op.getRounding(), "key"));
  if (op.getRows())
    rule.parts(elements);
}

/// Of so many moments, AdamW's two or Lion's one.
template <typename Op, int moments> void momentUpdate(Op op, FactorRule &rule) {
  SmallVector<unsigned> letters = parameter(op.getParam(), rule);
  const int remainder = op.getRemainder() ? 1 : 0;
  for (int i = 0; i < 2 + moments + remainder; ++i) // param, grad, moments
    rule.operand(letters);
  for (size_t i = 0; i < op.getScales().size(); ++i)
    rule.parts(letters.front());
  step(op, letters.front(), rule);
  for (int i = 0; i < 1 + moments + remainder; ++i)
    rule.result(letters);
  for (size_t i = 0; i < op.getNewScales().size(); ++i)
    rule.resultParts(letters.front());
}

void sgd(SgdOp op, FactorRule &rule) {
  SmallVector<unsigned> letters = parameter(op.getParam(), rule);
  rule.operand(letters);
  rule.operand(letters);
  if (op.getMomentumBuffer())
    rule.operand(letters);
  step(op, letters.front(), rule);
  rule.result(letters);
  if (op.getNewMomentumBuffer())
    rule.result(letters);
}

} // namespace

void ft::attachUpdateFactors(MLIRContext &context) {
  attachFactors<ViewOp, view>(context);
  attachFactors<AssembleOp, assemble>(context);
  attachFactors<InsertOp, insert>(context);
  attachFactors<AccumulateOp, accumulate>(context);
  attachFactors<AddScalarOp, addScalar>(context);
  attachFactors<CheckFiniteOp, checkFinite>(context);
  attachFactors<AdjustScaleOp, adjustScale>(context);
  attachFactors<GradNormOp, gradNorm>(context);
  attachFactors<AdamwOp, momentUpdate<AdamwOp, 2>>(context);
  attachFactors<LionOp, momentUpdate<LionOp, 1>>(context);
  attachFactors<SgdOp, sgd>(context);
}
