#include "compiler/Model/Interpreter/Interpreter.h"
#include "runtime/Plan/plan.pb.h"

#include "llvm/ADT/TypeSwitch.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

/// min(1, max_norm / (norm + 1e-6)), PyTorch's clip_grad_norm_; 1 where max_norm is 0.
double clipping(double norm, double maxNorm) { return maxNorm > 0 ? std::min(1.0, maxNorm / (norm + 1e-6)) : 1; }

/// Which element of a bucket element i of a tensor in it is; `pitch` 0: it is dense.
auto placesOf(RankedTensorType type, int64_t offset, int64_t pitch) {
  const int64_t row = type.getRank() == 2 ? type.getDimSize(1) : type.getNumElements();
  return [=](int64_t i) { return offset + i / row * (pitch ? pitch : row) + i % row; };
}

} // namespace

/// What gradients are multiplied by ahead of clipping.
template <typename Op> double Interpreter::unscaling(Op op) const {
  return op.getInverseScale() ? get(op.getInverseScale()).numbers[0] : 1;
}

void Interpreter::adjustScale(AdjustScaleOp op) {
  const double norm = get(op.getNorm()).numbers[0], scale = get(op.getLossScale()).numbers[plan::CURRENT_SCALE];
  std::vector<double> &next = (values[op.getNext()] = get(op.getLossScale())).numbers;
  std::vector<double> &scalars = (values[op.getUpdateScalars()] = get(op.getScalars())).numbers;
  std::vector<int64_t> &status = (values[op.getUpdateStatus()] = get(op.getStatus())).integers;
  values[op.getInverse()].numbers[0] = 1 / scale;
  values[op.getTrueNorm()].numbers[0] = norm * (1 / scale);
  if (status[0] == 0 && std::isfinite(norm)) {
    if (++next[plan::GOOD_STEPS] == double(op.getInterval())) {
      next[plan::GOOD_STEPS] = 0;
      if (const double grown = scale * op.getGrowth().convertToDouble(); std::isfinite(float(grown)))
        next[plan::CURRENT_SCALE] = grown;
    }
    next[plan::BETA1_POWER] *= op.getBeta1().convertToDouble();
    next[plan::BETA2_POWER] *= op.getBeta2().convertToDouble();
  } else if (status[0] == 0) {
    next[plan::CURRENT_SCALE] = scale * op.getBackoff().convertToDouble();
    next[plan::GOOD_STEPS] = 0;
    ++next[plan::SKIPPED_STEPS];
  }
  if (!std::isfinite(norm))
    status[0] = 1;
  scalars[plan::BIAS_CORRECTION1] = 1 - next[plan::BETA1_POWER];
  scalars[plan::BIAS_CORRECTION2] = 1 - next[plan::BETA2_POWER];
}

/// A remainder stays as it is: here, parameters are not rounded.
void Interpreter::adamw(AdamwOp op) {
  if (op.getRemainder())
    values[op.getNewRemainder()] = get(op.getRemainder());
  ReferenceTensor &p = values[op.getNewParam()] = get(op.getParam());
  ReferenceTensor &m = values[op.getNewExpAvg()] = get(op.getExpAvg());
  ReferenceTensor &v = values[op.getNewExpAvgSq()] = get(op.getExpAvgSq());
  if (get(op.getStatus()).integers[0])
    return;
  const std::vector<double> &scalars = get(op.getScalars()).numbers;
  const double lr = scalars[plan::LEARNING_RATE], beta1 = op.getBeta1().convertToDouble(),
               beta2 = op.getBeta2().convertToDouble();
  const double clip = unscaling(op) * clipping(get(op.getNorm()).numbers[0], op.getMaxNorm().convertToDouble());
  for (int64_t n = 0; n < p.size(); ++n) {
    const double g = clip * get(op.getGrad()).numbers[n];
    p.numbers[n] *= 1 - lr * op.getWeightDecay().convertToDouble();
    m.numbers[n] = beta1 * m.numbers[n] + (1 - beta1) * g;
    v.numbers[n] = beta2 * v.numbers[n] + (1 - beta2) * g * g;
    p.numbers[n] -= lr * (m.numbers[n] / scalars[plan::BIAS_CORRECTION1]) /
                    (std::sqrt(v.numbers[n] / scalars[plan::BIAS_CORRECTION2]) + op.getEpsilon().convertToDouble());
  }
}

void Interpreter::lion(LionOp op) {
  if (op.getRemainder())
    values[op.getNewRemainder()] = get(op.getRemainder());
  ReferenceTensor &p = values[op.getNewParam()] = get(op.getParam());
  ReferenceTensor &m = values[op.getNewExpAvg()] = get(op.getExpAvg());
  if (get(op.getStatus()).integers[0])
    return;
  const double lr = get(op.getScalars()).numbers[plan::LEARNING_RATE], beta1 = op.getBeta1().convertToDouble(),
               beta2 = op.getBeta2().convertToDouble();
  const double clip = unscaling(op) * clipping(get(op.getNorm()).numbers[0], op.getMaxNorm().convertToDouble());
  for (int64_t n = 0; n < p.size(); ++n) {
    const double g = clip * get(op.getGrad()).numbers[n], c = beta1 * m.numbers[n] + (1 - beta1) * g;
    p.numbers[n] *= 1 - lr * op.getWeightDecay().convertToDouble();
    p.numbers[n] -= lr * double((c > 0) - (c < 0));
    m.numbers[n] = beta2 * m.numbers[n] + (1 - beta2) * g;
  }
}

void Interpreter::sgd(SgdOp op) {
  ReferenceTensor &p = values[op.getNewParam()] = get(op.getParam());
  ReferenceTensor *buffer = nullptr;
  if (op.getMomentumBuffer()) {
    buffer = &values[op.getNewMomentumBuffer()];
    *buffer = get(op.getMomentumBuffer());
  }
  if (get(op.getStatus()).integers[0])
    return;
  const double clip = unscaling(op) * clipping(get(op.getNorm()).numbers[0], op.getMaxNorm().convertToDouble());
  for (int64_t n = 0; n < p.size(); ++n) {
    double g = clip * get(op.getGrad()).numbers[n] + op.getWeightDecay().convertToDouble() * p.numbers[n];
    if (buffer)
      g = buffer->numbers[n] = op.getMomentum().convertToDouble() * buffer->numbers[n] + g;
    p.numbers[n] -= get(op.getScalars()).numbers[plan::LEARNING_RATE] * g;
  }
}

bool Interpreter::executeUpdate(Operation &operation) {
  return TypeSwitch<Operation *, bool>(&operation)
      .Case([&](ViewOp op) {
        const ReferenceTensor &bucket = get(op.getBucket());
        ReferenceTensor &member = values[op.getResult()];
        const auto places = placesOf(op.getType(), op.getOffset(), op.getPitch());
        for (int64_t i = 0; i < member.size(); ++i)
          member.numbers[i] = bucket.numbers[places(i)];
        return true;
      })
      .Case([&](InsertOp op) {
        ReferenceTensor &bucket = values[op.getResult()] = get(op.getBucket());
        for (auto [matrix, offset, pitch] : llvm::zip_equal(op.getMatrices(), op.getOffsets(), op.getPitches())) {
          const auto places = placesOf(cast<RankedTensorType>(matrix.getType()), offset, pitch);
          for (int64_t i = 0; i < get(matrix).size(); ++i)
            bucket.numbers[places(i)] = get(matrix).numbers[i];
        }
        return true;
      })
      .Case([&](AssembleOp op) {
        std::vector<double> &bucket = values[op.getBucket()].numbers;
        for (auto [member, offset] : llvm::zip_equal(op.getMembers(), op.getOffsets()))
          std::copy(get(member).numbers.begin(), get(member).numbers.end(), bucket.begin() + offset);
        return true;
      })
      .Case([&](AccumulateOp op) {
        const std::vector<double> &sum = get(op.getSum()).numbers, &part = get(op.getPart()).numbers;
        std::transform(sum.begin(), sum.end(), part.begin(), values[op.getTotal()].numbers.begin(), std::plus<>());
        return true;
      })
      .Case([&](AddScalarOp op) {
        values[op.getResult()].numbers[0] = get(op.getLhs()).numbers[0] + get(op.getRhs()).numbers[0];
        return true;
      })
      .Case([&](CheckFiniteOp op) {
        ReferenceTensor &status = values[op.getResult()] = get(op.getStatus());
        const std::vector<double> &scalars = get(op.getScalars()).numbers;
        if (!status.integers[0] && !std::isfinite(get(op.getValue()).numbers[0]))
          status.integers = {1, int64_t(scalars[plan::STEP]), int64_t(scalars[plan::MICRO_BATCH]),
                             int64_t(op.getCause())};
        return true;
      })
      .Case([&](AdjustScaleOp op) {
        adjustScale(op);
        return true;
      })
      .Case([&](GradNormOp op) {
        double sum = 0;
        for (Value grad : op.getGrads())
          for (double number : get(grad).numbers)
            sum += number * number;
        values[op.getNorm()].numbers[0] = std::sqrt(sum);
        return true;
      })
      .Case([&](AdamwOp op) {
        if (!op.getScales().empty()) // moments in codes: what they round to is a kernel's to say
          return false;
        adamw(op);
        return true;
      })
      .Case([&](LionOp op) {
        if (!op.getScales().empty())
          return false;
        lion(op);
        return true;
      })
      .Case([&](SgdOp op) {
        sgd(op);
        return true;
      })
      .Default([](Operation *) { return false; });
}
