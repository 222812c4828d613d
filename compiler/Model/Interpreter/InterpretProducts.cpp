#include "compiler/Model/Interpreter/Interpreter.h"

#include "llvm/ADT/TypeSwitch.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

constexpr int64_t inverseTargets = 0; // plan.proto, enum Scalar

/// y += alpha · a · bᵀ
void addProductTransposed(double alpha, const ReferenceTensor &a, const ReferenceTensor &b, ReferenceTensor &y) {
  for (int64_t i = 0; i < a.dim(0); ++i)
    for (int64_t j = 0; j < b.dim(0); ++j) {
      double sum = 0;
      for (int64_t k = 0; k < a.dim(1); ++k)
        sum += a.at(i, k) * b.at(j, k);
      y.at(i, j) += alpha * sum;
    }
}

/// y += alpha · a · b
void addProduct(double alpha, const ReferenceTensor &a, const ReferenceTensor &b, ReferenceTensor &y) {
  for (int64_t i = 0; i < a.dim(0); ++i)
    for (int64_t k = 0; k < a.dim(1); ++k)
      for (int64_t j = 0; j < b.dim(1); ++j)
        y.at(i, j) += alpha * a.at(i, k) * b.at(k, j);
}

/// y += alpha · aᵀ · b
void addTransposedProduct(double alpha, const ReferenceTensor &a, const ReferenceTensor &b, ReferenceTensor &y) {
  for (int64_t k = 0; k < a.dim(0); ++k)
    for (int64_t i = 0; i < a.dim(1); ++i)
      for (int64_t j = 0; j < b.dim(1); ++j)
        y.at(i, j) += alpha * a.at(k, i) * b.at(k, j);
}

/// Which keys token t of an attention may see: those of its document, up to itself, of which a window leaves the last.
struct Window {
  int64_t begin, end;
  template <typename Op>
  Window(Op op, const ReferenceTensor &documentStart, int64_t t)
      : begin(t / op.getSequenceLen() * op.getSequenceLen() + documentStart.integers[t]), end(t + 1) {
    if (op.getWindow())
      begin = std::max<int64_t>(begin, end - int64_t(*op.getWindow()));
  }
};

double dotRows(const ReferenceTensor &a, int64_t rowA, int64_t columnA, const ReferenceTensor &b, int64_t rowB,
               int64_t columnB, int64_t length) {
  double sum = 0;
  for (int64_t i = 0; i < length; ++i)
    sum += a.at(rowA, columnA + i) * b.at(rowB, columnB + i);
  return sum;
}

} // namespace

void Interpreter::linear(LinearOp op) {
  for (auto [weight, result] : llvm::zip(op.getWeights(), op.getResults()))
    addProductTransposed(op.getAlpha().convertToDouble(), get(op.getX()), get(weight), values[result]);
  for (auto [s, b, of] : llvm::zip(op.getLowRank(), op.getLowRankWeights(), op.getLowRankOf()))
    addProductTransposed(1, get(s), get(b), values[op.getResults()[of]]);
}

void Interpreter::attention(AttentionOp op) {
  const ReferenceTensor &q = get(op.getQ()), &k = get(op.getK()), &v = get(op.getV());
  ReferenceTensor &o = values[op.getO()], &lse = values[op.getLse()];
  const int64_t headDim = op.getHeadDim(), group = op.getHeads() / op.getKvHeads();
  for (int64_t t = 0; t < q.dim(0); ++t)
    for (int64_t head = 0; head < int64_t(op.getHeads()); ++head) {
      const Window window(op, get(op.getDocumentStart()), t);
      const int64_t column = head * headDim, kvColumn = head / group * headDim;
      std::vector<double> scores;
      double largest = -std::numeric_limits<double>::infinity(), sum = 0;
      for (int64_t n = window.begin; n < window.end; ++n) {
        scores.push_back(op.getScale().convertToDouble() * dotRows(q, t, column, k, n, kvColumn, headDim));
        largest = std::max(largest, scores.back());
      }
      for (double score : scores)
        sum += std::exp(score - largest);
      lse.at(t, head) = largest + std::log(sum);
      for (int64_t n = window.begin; n < window.end; ++n)
        for (int64_t i = 0; i < headDim; ++i)
          o.at(t, column + i) += std::exp(scores[n - window.begin] - lse.at(t, head)) * v.at(n, kvColumn + i);
    }
}

void Interpreter::attentionBackward(AttentionBwdOp op) {
  const ReferenceTensor &q = get(op.getQ()), &k = get(op.getK()), &v = get(op.getV());
  const ReferenceTensor &o = get(op.getO()), &dO = get(op.getDO()), &lse = get(op.getLse());
  ReferenceTensor &dQ = values[op.getDQ()], &dK = values[op.getDK()], &dV = values[op.getDV()];
  const int64_t headDim = op.getHeadDim(), group = op.getHeads() / op.getKvHeads();
  const double scale = op.getScale().convertToDouble();
  for (int64_t t = 0; t < q.dim(0); ++t)
    for (int64_t head = 0; head < int64_t(op.getHeads()); ++head) {
      const Window window(op, get(op.getDocumentStart()), t);
      const int64_t column = head * headDim, kvColumn = head / group * headDim;
      const double delta = dotRows(dO, t, column, o, t, column, headDim);
      for (int64_t n = window.begin; n < window.end; ++n) {
        const double p = std::exp(scale * dotRows(q, t, column, k, n, kvColumn, headDim) - lse.at(t, head));
        const double dScore = scale * p * (dotRows(dO, t, column, v, n, kvColumn, headDim) - delta);
        for (int64_t i = 0; i < headDim; ++i) {
          dQ.at(t, column + i) += dScore * k.at(n, kvColumn + i);
          dK.at(n, kvColumn + i) += dScore * q.at(t, column + i);
          dV.at(n, kvColumn + i) += p * dO.at(t, column + i);
        }
      }
    }
}

/// Loss, and for head_loss_grad dx and dw: dlogits = (softmax − one-hot) / N on rows with a target.
void Interpreter::headLoss(Operation *op, Value xValue, Value weightValue, Value labelsValue, Value scalarsValue) {
  const ReferenceTensor &x = get(xValue), &weight = get(weightValue), &labels = get(labelsValue);
  const double inverse = get(scalarsValue).numbers[inverseTargets];
  auto backward = dyn_cast<HeadLossGradOp>(op);
  const double scale = backward && backward.getLossScale() ? get(backward.getLossScale()).numbers[0] : 1;
  ReferenceTensor logits{{x.dim(0), weight.dim(0)}, std::vector<double>(x.dim(0) * weight.dim(0)), {}};
  addProductTransposed(1, x, weight, logits);
  double loss = 0;
  for (int64_t t = 0; t < x.dim(0); ++t) {
    double largest = -std::numeric_limits<double>::infinity(), sum = 0;
    for (int64_t v = 0; v < weight.dim(0); ++v)
      largest = std::max(largest, logits.at(t, v));
    for (int64_t v = 0; v < weight.dim(0); ++v)
      sum += std::exp(logits.at(t, v) - largest);
    const int64_t label = labels.integers[t];
    if (label >= 0)
      loss += inverse * (largest + std::log(sum) - logits.at(t, label));
    for (int64_t v = 0; v < weight.dim(0); ++v)
      logits.at(t, v) =
          label < 0 ? 0 : scale * inverse * (std::exp(logits.at(t, v) - largest) / sum - (v == label ? 1.0 : 0.0));
  }
  values[op->getResult(0)].numbers[0] = loss;
  if (!backward)
    return;
  addProduct(1, logits, weight, values[backward.getDx()]);
  if (!backward.getDw())
    return;
  ReferenceTensor &dw = values[backward.getDw()];
  if (backward.getAccumulate())
    dw = get(backward.getAccumulate());
  addTransposedProduct(1, logits, x, dw);
}

bool Interpreter::executeProduct(Operation &operation) {
  return TypeSwitch<Operation *, bool>(&operation)
      .Case([&](LinearOp op) {
        linear(op);
        return true;
      })
      .Case([&](LinearBwdInputOp op) {
        for (auto [grad, weight] : llvm::zip(op.getGrads(), op.getWeights()))
          addProduct(op.getAlpha().convertToDouble(), get(grad), get(weight), values[op.getDx()]);
        return true;
      })
      .Case([&](LinearBwdWeightOp op) {
        if (op.getAccumulate())
          values[op.getDw()] = get(op.getAccumulate());
        addTransposedProduct(op.getAlpha().convertToDouble(), get(op.getGrad()), get(op.getX()), values[op.getDw()]);
        return true;
      })
      .Case([&](AttentionOp op) {
        attention(op);
        return true;
      })
      .Case([&](AttentionBwdOp op) {
        attentionBackward(op);
        return true;
      })
      .Case<HeadLossOp, HeadLossGradOp>([&](auto op) {
        headLoss(op, op.getX(), op.getWeight(), op.getLabels(), op.getScalars());
        return true;
      })
      .Default([](Operation *) { return false; });
}
