// Matrix products, attention, head and loss. A sum of several products may be split only over what all of them share:
// a product that all ranks hold whole would count once per rank.
#include "compiler/Sharding/Factors/Factors.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

void linear(LinearOp op, FactorRule &rule) {
  const bool single = op.getLowRank().empty();
  const unsigned tokens = rule.letter("tokens", LetterKind::Free);
  const unsigned inputs = rule.letter("inputs", single ? LetterKind::Summed : LetterKind::Whole);
  SmallVector<unsigned> outputs, ranks;
  for (size_t i = 0; i < op.getWeights().size(); ++i)
    outputs.push_back(rule.letter("outputs", LetterKind::Free));
  for (size_t i = 0; i < op.getLowRank().size(); ++i)
    ranks.push_back(rule.letter("adapter rank", LetterKind::Whole));
  rule.operand({tokens, inputs});
  for (unsigned output : outputs)
    rule.operand({output, inputs});
  for (unsigned rank : ranks)
    rule.operand({tokens, rank});
  for (auto [rank, of] : llvm::zip(ranks, op.getLowRankOf()))
    rule.operand({outputs[of], rank});
  for (unsigned output : outputs)
    rule.result({tokens, output});
}

void linearBwdInput(LinearBwdInputOp op, FactorRule &rule) {
  const LetterKind kind = op.getWeights().size() == 1 ? LetterKind::Summed : LetterKind::Whole;
  const unsigned tokens = rule.letter("tokens", LetterKind::Free), inputs = rule.letter("inputs", LetterKind::Free);
  SmallVector<unsigned> outputs;
  for (size_t i = 0; i < op.getWeights().size(); ++i)
    outputs.push_back(rule.letter("outputs", kind));
  for (unsigned output : outputs)
    rule.operand({tokens, output});
  for (unsigned output : outputs)
    rule.operand({output, inputs});
  rule.result({tokens, inputs});
}

void linearBwdWeight(LinearBwdWeightOp op, FactorRule &rule) {
  const unsigned tokens = rule.letter("tokens", LetterKind::Summed);
  const unsigned outputs = rule.letter("outputs", LetterKind::Free), inputs = rule.letter("inputs", LetterKind::Free);
  rule.operand({tokens, outputs});
  rule.operand({tokens, inputs});
  if (op.getAccumulate())
    rule.added({outputs, inputs}, 0);
  rule.result({outputs, inputs});
}

/// The document tables of attention: start[t] is an index inside the row, the others belong to the rank's own tokens.
template <typename Op> void documents(Op op, FactorRule &rule, unsigned tokens) {
  rule.operand({tokens});
  rule.table(tokens, 1);
  rule.table(tokens, 1);
}

// Tokens of one row attend to each other, so that a rank holds whole rows. Heads are whole: an operation over a part of
// them would need other `heads` and `kv_heads`.
void attention(AttentionOp op, FactorRule &rule) {
  const unsigned tokens = rule.letter("tokens", LetterKind::Free, op.getSequenceLen());
  const unsigned q = rule.letter("query columns", LetterKind::Whole);
  const unsigned kv = rule.letter("key columns", LetterKind::Whole), heads = rule.letter("heads", LetterKind::Whole);
  for (unsigned columns : {q, kv, kv})
    rule.operand({tokens, columns});
  documents(op, rule, tokens);
  rule.result({tokens, q});
  rule.result({tokens, heads});
}

void attentionBwd(AttentionBwdOp op, FactorRule &rule) {
  const unsigned tokens = rule.letter("tokens", LetterKind::Free, op.getSequenceLen());
  const unsigned q = rule.letter("query columns", LetterKind::Whole);
  const unsigned kv = rule.letter("key columns", LetterKind::Whole), heads = rule.letter("heads", LetterKind::Whole);
  for (unsigned columns : {q, q, kv, kv, q, heads}) // d_o, q, k, v, o, lse
    rule.operand({tokens, columns});
  documents(op, rule, tokens);
  for (unsigned columns : {q, kv, kv})
    rule.result({tokens, columns});
}

// 1/N counts the targets of all ranks and arrives as a scalar, so that losses and gradients of ranks simply add.
struct HeadLetters {
  unsigned tokens, features, vocabulary;
};

template <typename Op> HeadLetters headOperands(Op op, FactorRule &rule) {
  const unsigned tokens = rule.letter("tokens", LetterKind::Summed);
  const unsigned features = rule.letter("features", LetterKind::Whole);
  const unsigned vocabulary = rule.letter("vocabulary", LetterKind::Whole);
  rule.operand({tokens, features});
  rule.operand({vocabulary, features});
  rule.operand({tokens});
  rule.operand(rule.whole(op.getScalars(), "scalars"));
  return {tokens, features, vocabulary};
}

void headLoss(HeadLossOp op, FactorRule &rule) {
  headOperands(op, rule);
  rule.result(rule.whole(op.getLoss(), "loss"));
}

void headLossGrad(HeadLossGradOp op, FactorRule &rule) {
  const auto [tokens, features, vocabulary] = headOperands(op, rule);
  if (op.getLossScale())
    rule.operand(rule.whole(op.getLossScale(), "loss scale"));
  if (op.getAccumulate())
    rule.added({vocabulary, features}, 2);
  rule.result(rule.whole(op.getLoss(), "loss"));
  rule.result({tokens, features});
  if (op.getDw())
    rule.result({vocabulary, features});
}

} // namespace

void ft::attachProductFactors(MLIRContext &context) {
  attachFactors<LinearOp, linear>(context);
  attachFactors<LinearBwdInputOp, linearBwdInput>(context);
  attachFactors<LinearBwdWeightOp, linearBwdWeight>(context);
  attachFactors<AttentionOp, attention>(context);
  attachFactors<AttentionBwdOp, attentionBwd>(context);
  attachFactors<HeadLossOp, headLoss>(context);
  attachFactors<HeadLossGradOp, headLossGrad>(context);
}
