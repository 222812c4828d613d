#include "compiler/Model/Interpreter/Interpreter.h"

#include "runtime/Plan/plan.pb.h"
#include "runtime/Support/Philox.h"

#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// Rotates the halves of every head by the angle of its row's position.
void rotate(const ReferenceTensor &x, const ReferenceTensor &positions, const ReferenceTensor &cos,
            const ReferenceTensor &sin, int64_t headDim, bool inverse, ReferenceTensor &y) {
  const int64_t half = headDim / 2;
  for (int64_t t = 0; t < x.dim(0); ++t)
    for (int64_t head = 0; head < x.dim(1) / headDim; ++head)
      for (int64_t i = 0; i < half; ++i) {
        const double c = cos.at(positions.integers[t], i);
        const double s = sin.at(positions.integers[t], i) * (inverse ? -1 : 1);
        const int64_t first = head * headDim + i, second = first + half;
        y.at(t, first) = x.at(t, first) * c - x.at(t, second) * s;
        y.at(t, second) = x.at(t, second) * c + x.at(t, first) * s;
      }
}

} // namespace

void Interpreter::norm(Operation &operation) {
  if (auto op = dyn_cast<RmsNormOp>(operation)) {
    const ReferenceTensor &x = get(op.getX()), &w = get(op.getWeight());
    ReferenceTensor &y = values[op.getY()], &rstd = values[op.getRstd()];
    for (int64_t t = 0; t < x.dim(0); ++t) {
      double sum = 0;
      for (int64_t i = 0; i < x.dim(1); ++i)
        sum += x.at(t, i) * x.at(t, i);
      rstd.numbers[t] = 1 / std::sqrt(sum / double(x.dim(1)) + op.getEps().convertToDouble());
      for (int64_t i = 0; i < x.dim(1); ++i)
        y.at(t, i) = x.at(t, i) * rstd.numbers[t] * w.numbers[i];
    }
  } else if (auto op = dyn_cast<RmsNormApplyOp>(operation)) {
    const ReferenceTensor &x = get(op.getX()), &w = get(op.getWeight()), &rstd = get(op.getRstd());
    ReferenceTensor &y = values[op.getY()];
    for (int64_t t = 0; t < x.dim(0); ++t)
      for (int64_t i = 0; i < x.dim(1); ++i)
        y.at(t, i) = x.at(t, i) * rstd.numbers[t] * w.numbers[i];
  } else if (auto op = dyn_cast<RmsNormBwdOp>(operation)) {
    const ReferenceTensor &dy = get(op.getDy()), &x = get(op.getX()), &w = get(op.getWeight());
    const ReferenceTensor &rstd = get(op.getRstd());
    ReferenceTensor &dx = values[op.getDx()];
    for (int64_t t = 0; t < x.dim(0); ++t) {
      const double r = rstd.numbers[t];
      double dot = 0;
      for (int64_t i = 0; i < x.dim(1); ++i)
        dot += dy.at(t, i) * w.numbers[i] * x.at(t, i);
      for (int64_t i = 0; i < x.dim(1); ++i)
        dx.at(t, i) = r * dy.at(t, i) * w.numbers[i] - x.at(t, i) * r * r * r * dot / double(x.dim(1));
    }
  } else if (auto op = dyn_cast<RmsNormWeightGradOp>(operation)) {
    const ReferenceTensor &dy = get(op.getDy()), &x = get(op.getX()), &rstd = get(op.getRstd());
    ReferenceTensor &dw = values[op.getDw()];
    if (op.getAccumulate())
      dw = get(op.getAccumulate());
    for (int64_t t = 0; t < x.dim(0); ++t)
      for (int64_t i = 0; i < x.dim(1); ++i)
        dw.numbers[i] += dy.at(t, i) * x.at(t, i) * rstd.numbers[t];
  }
}

void Interpreter::dropout(DropoutOp op) {
  const ReferenceTensor &x = get(op.getX()), &scalars = get(op.getScalars());
  ReferenceTensor &y = values[op.getResult()];
  const double p = op.getP().convertToDouble();
  const auto key = rt::splitKey(uint64_t(get(op.getKey()).integers[0]));
  const uint64_t first =
      uint64_t(scalars.numbers[plan::FIRST_POSITION_LOW]) | uint64_t(scalars.numbers[plan::FIRST_POSITION_HIGH]) << 32;
  const auto threshold = uint32_t(p * 0x1p32);
  const PaddingAttr padding = op.getPaddingAttr();
  for (int64_t t = 0; t < x.dim(0); ++t)
    for (int64_t i = 0; i < x.dim(1); ++i) {
      const uint64_t position = first + uint64_t(t);
      const int64_t feature = padding ? i - i / padding.getBlock() * (padding.getBlock() - padding.getUsed()) : i;
      const auto words = rt::philox4x32(
          {uint32_t(scalars.numbers[plan::STEP]), uint32_t(position), uint32_t(position >> 32), uint32_t(feature / 4)},
          key);
      y.at(t, i) = words[feature % 4] < threshold ? 0 : x.at(t, i) / (1 - p);
    }
}

bool Interpreter::executeRowWise(Operation &operation) {
  return TypeSwitch<Operation *, bool>(&operation)
      .Case([&](EmbeddingOp op) {
        const ReferenceTensor &table = get(op.getTable()), &ids = get(op.getIds());
        ReferenceTensor &y = values[op.getResult()];
        for (int64_t t = 0; t < y.dim(0); ++t)
          for (int64_t i = 0; i < y.dim(1); ++i)
            y.at(t, i) = table.at(ids.integers[t], i);
        return true;
      })
      .Case([&](EmbeddingGradOp op) {
        const ReferenceTensor &grad = get(op.getGrad()), &positions = get(op.getPositions());
        const ReferenceTensor &starts = get(op.getStarts()), &ids = get(op.getIds());
        ReferenceTensor &table = values[op.getResult()];
        if (op.getAccumulate())
          table = get(op.getAccumulate());
        for (int64_t segment = 0; segment < ids.dim(0); ++segment)
          for (int64_t n = starts.integers[segment]; n < starts.integers[segment + 1]; ++n)
            for (int64_t i = 0; i < grad.dim(1); ++i)
              table.at(ids.integers[segment], i) += grad.at(positions.integers[n], i);
        return true;
      })
      .Case<RmsNormOp, RmsNormApplyOp, RmsNormBwdOp, RmsNormWeightGradOp>([&](Operation *op) {
        norm(*op);
        return true;
      })
      .Case([&](RopeOp op) {
        for (auto [x, y] : {std::pair(op.getQ(), op.getQOut()), std::pair(op.getK(), op.getKOut())})
          rotate(get(x), get(op.getPositions()), get(op.getCos()), get(op.getSin()), op.getHeadDim(), op.getInverse(),
                 values[y]);
        return true;
      })
      .Case([&](SwigluOp op) {
        const ReferenceTensor &gate = get(op.getGate()), &up = get(op.getUp());
        ReferenceTensor &y = values[op.getResult()];
        for (int64_t n = 0; n < y.size(); ++n)
          y.numbers[n] = gate.numbers[n] * sigmoid(gate.numbers[n]) * up.numbers[n];
        return true;
      })
      .Case([&](SwigluBwdOp op) {
        const ReferenceTensor &grad = get(op.getGrad()), &gate = get(op.getGate()), &up = get(op.getUp());
        ReferenceTensor &dGate = values[op.getDGate()], &dUp = values[op.getDUp()];
        for (int64_t n = 0; n < grad.size(); ++n) {
          const double g = gate.numbers[n], s = sigmoid(g);
          dUp.numbers[n] = grad.numbers[n] * g * s;
          dGate.numbers[n] = grad.numbers[n] * up.numbers[n] * s * (1 + g * (1 - s));
        }
        return true;
      })
      .Case([&](AddOp op) {
        ReferenceTensor &y = values[op.getResult()];
        for (int64_t n = 0; n < y.size(); ++n)
          y.numbers[n] = get(op.getLhs()).numbers[n] + get(op.getRhs()).numbers[n];
        return true;
      })
      .Case([&](CastOp op) {
        values[op.getResult()].numbers = get(op.getX()).numbers;
        return true;
      })
      .Case([&](DropoutOp op) {
        dropout(op);
        return true;
      })
      .Case([&](GatherRowOp op) {
        const ReferenceTensor &x = get(op.getX());
        ReferenceTensor &y = values[op.getResult()];
        for (int64_t i = 0; i < y.dim(1); ++i)
          y.at(0, i) = x.at(get(op.getIndex()).integers[0], i);
        return true;
      })
      .Default([](Operation *) { return false; });
}
