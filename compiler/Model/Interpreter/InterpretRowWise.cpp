#include "compiler/Model/Interpreter/Interpreter.h"

#include "runtime/Plan/plan.pb.h"
#include "runtime/Support/Philox.h"

#include "llvm/ADT/TypeSwitch.h"

#include <cmath>
#include <numbers>

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// An activation at x by its textbook form, and its slope there.
struct Activated {
  double value, slope;
};
Activated activate(Activation activation, double x) {
  if (activation == Activation::Silu)
    return {x * sigmoid(x), sigmoid(x) * (1 + x * (1 - sigmoid(x)))};
  const double root = std::sqrt(2 / std::numbers::pi), tanh = std::tanh(root * (x + 0.044715 * x * x * x));
  return {0.5 * x * (1 + tanh), 0.5 * (1 + tanh) + 0.5 * x * (1 - tanh * tanh) * root * (1 + 3 * 0.044715 * x * x)};
}

/// Calls `use(run, index of its first element)` for each run of `length` columns.
template <typename Use> void forRuns(const ReferenceTensor &x, int64_t length, Use use) {
  for (int64_t run = 0; run < x.size() / length; ++run)
    use(run, run * length);
}

void applyNorm(const ReferenceTensor &x, const ReferenceTensor &w, double offset, double rstd, int64_t first,
               ReferenceTensor &y) {
  for (int64_t i = 0; i < w.size(); ++i)
    y.numbers[first + i] = x.numbers[first + i] * rstd * (offset + w.numbers[i]);
}

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
    forRuns(x, w.size(), [&](int64_t run, int64_t first) {
      double sum = 0;
      for (int64_t i = 0; i < w.size(); ++i)
        sum += x.numbers[first + i] * x.numbers[first + i];
      const double mean = sum / double(op.getFeatures().value_or(w.size()));
      rstd.numbers[run] = 1 / std::sqrt(mean + op.getEps().convertToDouble());
      applyNorm(x, w, op.getOffset().convertToDouble(), rstd.numbers[run], first, y);
    });
  } else if (auto op = dyn_cast<RmsNormApplyOp>(operation)) {
    const ReferenceTensor &x = get(op.getX()), &w = get(op.getWeight()), &rstd = get(op.getRstd());
    forRuns(x, w.size(), [&](int64_t run, int64_t first) {
      applyNorm(x, w, op.getOffset().convertToDouble(), rstd.numbers[run], first, values[op.getY()]);
    });
  } else if (auto op = dyn_cast<RmsNormBwdOp>(operation)) {
    const ReferenceTensor &dy = get(op.getDy()), &x = get(op.getX()), &w = get(op.getWeight());
    const ReferenceTensor &rstd = get(op.getRstd());
    ReferenceTensor &dx = values[op.getDx()];
    const double offset = op.getOffset().convertToDouble(), features = double(op.getFeatures().value_or(w.size()));
    forRuns(x, w.size(), [&](int64_t run, int64_t first) {
      const double r = rstd.numbers[run];
      double dot = 0;
      for (int64_t i = 0; i < w.size(); ++i)
        dot += dy.numbers[first + i] * (offset + w.numbers[i]) * x.numbers[first + i];
      for (int64_t i = 0; i < w.size(); ++i)
        dx.numbers[first + i] =
            r * dy.numbers[first + i] * (offset + w.numbers[i]) - x.numbers[first + i] * r * r * r * dot / features;
    });
  } else if (auto op = dyn_cast<RmsNormWeightGradOp>(operation)) {
    const ReferenceTensor &dy = get(op.getDy()), &x = get(op.getX()), &rstd = get(op.getRstd());
    ReferenceTensor &dw = values[op.getDw()];
    if (op.getAccumulate())
      dw = get(op.getAccumulate());
    forRuns(x, dw.size(), [&](int64_t run, int64_t first) {
      for (int64_t i = 0; i < dw.size(); ++i)
        dw.numbers[i] += dy.numbers[first + i] * x.numbers[first + i] * rstd.numbers[run];
    });
  }
}

void Interpreter::bias(Operation &operation) {
  if (auto op = dyn_cast<AddBiasOp>(operation)) {
    const ReferenceTensor &x = get(op.getX()), &bias = get(op.getBias());
    ReferenceTensor &y = values[op.getResult()];
    for (int64_t n = 0; n < y.size(); ++n)
      y.numbers[n] = x.numbers[n] + bias.numbers[n % bias.size()];
  } else if (auto op = dyn_cast<BiasGradOp>(operation)) {
    const ReferenceTensor &grad = get(op.getGrad());
    ReferenceTensor &sum = values[op.getResult()];
    if (op.getAccumulate())
      sum = get(op.getAccumulate());
    for (int64_t n = 0; n < grad.size(); ++n)
      sum.numbers[n % sum.size()] += grad.numbers[n];
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
      const uint64_t position = first + uint64_t(op.getRows() ? get(op.getRows()).integers[t] : t);
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
          y.numbers[n] = activate(op.getActivation(), gate.numbers[n]).value * up.numbers[n];
        return true;
      })
      .Case([&](SwigluBwdOp op) {
        const ReferenceTensor &grad = get(op.getGrad()), &gate = get(op.getGate()), &up = get(op.getUp());
        ReferenceTensor &dGate = values[op.getDGate()], &dUp = values[op.getDUp()];
        for (int64_t n = 0; n < grad.size(); ++n) {
          const Activated act = activate(op.getActivation(), gate.numbers[n]);
          dUp.numbers[n] = grad.numbers[n] * act.value;
          dGate.numbers[n] = grad.numbers[n] * up.numbers[n] * act.slope;
        }
        return true;
      })
      .Case<AddBiasOp, BiasGradOp>([&](Operation *op) {
        bias(*op);
        return true;
      })
      .Case([&](ScaleOp op) {
        ReferenceTensor &y = values[op.getResult()];
        for (int64_t n = 0; n < y.size(); ++n)
          y.numbers[n] = op.getFactor().convertToDouble() * get(op.getX()).numbers[n];
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
      .Case([&](TransferOp op) {
        values[op.getResult()] = get(op.getX());
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
      .Case([&](GatherRowsOp op) {
        const ReferenceTensor &x = get(op.getX()), &rows = get(op.getRows());
        ReferenceTensor &y = values[op.getResult()];
        for (int64_t t = 0; t < y.dim(0); ++t)
          for (int64_t i = 0; i < y.dim(1); ++i)
            y.at(t, i) = x.at(rows.integers[t], i);
        return true;
      })
      .Case([&](ScatterRowsOp op) {
        const ReferenceTensor &x = get(op.getX()), &slots = get(op.getSlots());
        ReferenceTensor &y = values[op.getResult()];
        for (int64_t t = 0; t < y.dim(0); ++t)
          for (int64_t i = 0; slots.integers[t] < x.dim(0) && i < y.dim(1); ++i)
            y.at(t, i) = x.at(slots.integers[t], i);
        return true;
      })
      .Default([](Operation *) { return false; });
}
