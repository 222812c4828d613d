// Operations on rows: tokens may be split, columns only where no row sum and no counter runs over them.
#include "compiler/Sharding/Factors/Factors.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

/// Element by element: one free letter per dimension, shared by all operands and results.
llvm::SmallVector<unsigned, 2> elementwise(Value value, FactorRule &rule) {
  llvm::SmallVector<unsigned, 2> letters;
  for (int64_t i = 0, rank = cast<RankedTensorType>(value.getType()).getRank(); i < rank; ++i)
    letters.push_back(rule.letter(i == 0 ? "rows" : "columns", LetterKind::Free));
  return letters;
}

void embedding(EmbeddingOp op, FactorRule &rule) {
  const unsigned tokens = rule.letter("tokens", LetterKind::Free);
  const unsigned features = rule.letter("features", LetterKind::Free);
  rule.operand({rule.letter("vocabulary", LetterKind::Whole), features});
  rule.operand({tokens});
  rule.result({tokens, features});
}

// positions, starts and ids index the rank's own tokens.
void embeddingGrad(EmbeddingGradOp op, FactorRule &rule) {
  const unsigned tokens = rule.letter("tokens", LetterKind::Summed);
  const unsigned features = rule.letter("features", LetterKind::Free);
  const unsigned vocabulary = rule.letter("vocabulary", LetterKind::Whole);
  rule.operand({tokens, features});
  for (int table = 0; table < 3; ++table)
    rule.table(tokens, 1);
  if (op.getAccumulate())
    rule.added({vocabulary, features}, 0);
  rule.result({vocabulary, features});
}

/// The letters of the norms: the mean runs over a whole row, or over a run of columns, of which there are `runs`.
struct Norm {
  Norm(FactorRule &rule, Value weight, Value rstd, LetterKind tokenKind = LetterKind::Free)
      : tokens(rule.letter("tokens", tokenKind)), features(rule.letter("features", LetterKind::Whole)),
        weight({features}), rstd({tokens}) {
    if (cast<RankedTensorType>(rstd.getType()).getRank() == 1)
      return;
    this->weight = rule.whole(weight, "features of a run");
    this->rstd.push_back(rule.letter("runs", LetterKind::Whole));
  }
  unsigned tokens, features;
  SmallVector<unsigned, 2> weight, rstd;
};

void rmsNorm(RmsNormOp op, FactorRule &rule) {
  Norm norm(rule, op.getWeight(), op.getRstd());
  rule.operand({norm.tokens, norm.features});
  rule.operand(norm.weight);
  rule.result({norm.tokens, norm.features});
  rule.result(norm.rstd);
}

void rmsNormApply(RmsNormApplyOp op, FactorRule &rule) {
  Norm norm(rule, op.getWeight(), op.getRstd());
  rule.operand({norm.tokens, norm.features});
  rule.operand(norm.rstd);
  rule.operand(norm.weight);
  rule.result({norm.tokens, norm.features});
}

void rmsNormBwd(RmsNormBwdOp op, FactorRule &rule) {
  Norm norm(rule, op.getWeight(), op.getRstd());
  rule.operand({norm.tokens, norm.features});
  rule.operand({norm.tokens, norm.features});
  rule.operand(norm.weight);
  rule.operand(norm.rstd);
  rule.result({norm.tokens, norm.features});
}

void rmsNormWeightGrad(RmsNormWeightGradOp op, FactorRule &rule) {
  if (cast<RankedTensorType>(op.getRstd().getType()).getRank() == 2) {
    Norm norm(rule, op.getDw(), op.getRstd(), LetterKind::Summed);
    rule.operand({norm.tokens, norm.features});
    rule.operand({norm.tokens, norm.features});
    rule.operand(norm.rstd);
    if (op.getAccumulate())
      rule.added(norm.weight, 0);
    return rule.result(norm.weight);
  }
  const unsigned tokens = rule.letter("tokens", LetterKind::Summed);
  const unsigned features = rule.letter("features", LetterKind::Free);
  rule.operand({tokens, features});
  rule.operand({tokens, features});
  rule.operand({tokens});
  if (op.getAccumulate())
    rule.added({features}, 0);
  rule.result({features});
}

void addBias(AddBiasOp op, FactorRule &rule) {
  const unsigned rows = rule.letter("rows", LetterKind::Free), columns = rule.letter("columns", LetterKind::Free);
  rule.operand({rows, columns});
  rule.operand({columns});
  rule.result({rows, columns});
}

void biasGrad(BiasGradOp op, FactorRule &rule) {
  const unsigned rows = rule.letter("rows", LetterKind::Summed), columns = rule.letter("columns", LetterKind::Free);
  rule.operand({rows, columns});
  if (op.getAccumulate())
    rule.added({columns}, 0);
  rule.result({columns});
}

// positions[t] is an index inside a document; the tables are whole on every rank.
void rope(RopeOp op, FactorRule &rule) {
  const unsigned tokens = rule.letter("tokens", LetterKind::Free);
  const unsigned q = rule.letter("query columns", LetterKind::Whole), k = rule.letter("key columns", LetterKind::Whole);
  const unsigned positions = rule.letter("positions", LetterKind::Whole);
  const unsigned half = rule.letter("half a head", LetterKind::Whole);
  rule.operand({tokens, q});
  rule.operand({tokens, k});
  rule.operand({tokens});
  rule.operand({positions, half});
  rule.operand({positions, half});
  rule.result({tokens, q});
  rule.result({tokens, k});
}

template <typename Op> void pointwise(Op op, FactorRule &rule) {
  llvm::SmallVector<unsigned, 2> letters = elementwise(op->getOperand(0), rule);
  for (unsigned i = 0; i < op->getNumOperands(); ++i)
    rule.operand(letters);
  for (unsigned i = 0; i < op->getNumResults(); ++i)
    rule.result(letters);
}

void add(AddOp op, FactorRule &rule) {
  llvm::SmallVector<unsigned, 2> letters = elementwise(op.getLhs(), rule);
  rule.added(letters, 0);
  rule.added(letters, 0);
  rule.result(letters);
}

// The mask's counter runs over the columns of a row; a rank's tokens start at its own scalars[FIRST_POSITION].
void dropout(DropoutOp op, FactorRule &rule) {
  const unsigned tokens = rule.letter("tokens", LetterKind::Free);
  const unsigned features = rule.letter("features", LetterKind::Whole);
  rule.operand({tokens, features});
  rule.operand(rule.whole(op.getKey(), "key"));
  rule.operand(rule.whole(op.getScalars(), "scalars"));
  if (op.getRows())
    rule.table(tokens, 1);
  rule.result({tokens, features});
}

// rows, and slots, are indices into the rank's own: where its tokens are split, so are those that it takes of them.
template <typename Op> void taking(Op, FactorRule &rule) {
  const unsigned tokens = rule.letter("tokens", LetterKind::Free);
  const unsigned features = rule.letter("features", LetterKind::Free);
  rule.operand({tokens, features});
  rule.table(tokens, 1);
  rule.taken({tokens, features});
}

void gatherRow(GatherRowOp op, FactorRule &rule) {
  const unsigned features = rule.letter("features", LetterKind::Free);
  rule.operand({rule.letter("tokens", LetterKind::Whole), features});
  rule.operand(rule.whole(op.getIndex(), "index"));
  rule.result({rule.letter("row", LetterKind::Whole), features});
}

} // namespace

void ft::attachRowWiseFactors(MLIRContext &context) {
  attachFactors<EmbeddingOp, embedding>(context);
  attachFactors<EmbeddingGradOp, embeddingGrad>(context);
  attachFactors<RmsNormOp, rmsNorm>(context);
  attachFactors<RmsNormApplyOp, rmsNormApply>(context);
  attachFactors<RmsNormBwdOp, rmsNormBwd>(context);
  attachFactors<RmsNormWeightGradOp, rmsNormWeightGrad>(context);
  attachFactors<AddBiasOp, addBias>(context);
  attachFactors<BiasGradOp, biasGrad>(context);
  attachFactors<ScaleOp, pointwise<ScaleOp>>(context);
  attachFactors<RopeOp, rope>(context);
  attachFactors<SwigluOp, pointwise<SwigluOp>>(context);
  attachFactors<SwigluBwdOp, pointwise<SwigluBwdOp>>(context);
  attachFactors<AddOp, add>(context);
  attachFactors<CastOp, pointwise<CastOp>>(context);
  attachFactors<TransferOp, pointwise<TransferOp>>(context);
  attachFactors<DropoutOp, dropout>(context);
  attachFactors<GatherRowsOp, taking<GatherRowsOp>>(context);
  attachFactors<ScatterRowsOp, taking<ScatterRowsOp>>(context);
  attachFactors<GatherRowOp, gatherRow>(context);
}
