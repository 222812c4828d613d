// Optimizer steps against double precision, three steps each, with clipping, decay and working copies.
#include "compiler/Fusion/ProgramTesting.h"

using namespace mlir;

namespace ft {
namespace {

struct Case {
  std::string param, grad, moment, copy;
  int64_t rows = 3;
};

class OptimizerPrograms : public ProgramTest, public testing::WithParamInterface<Case> {
protected:
  static constexpr int64_t length = 1024;
  static constexpr double learningRate = 1e-2, decay = 0.1, maxNorm = 1.0, norm = 2.5, epsilon = 1e-8;
  Case c = GetParam();
  const int64_t rows = c.rows;
  FloatMatrix param = bucket(c.param).randomize(1), grad = bucket(c.grad);
  FloatMatrix first = bucket(c.moment), second = bucket(c.moment), copy = bucket(c.copy.empty() ? "f32" : c.copy);
  std::vector<int32_t> status{0, 0, 0, 0};
  std::vector<double> scalars = std::vector<double>(8, 0.0);
  double normValue = norm;

  FloatMatrix bucket(const std::string &name) {
    FloatMatrix m(type(name), rows, length);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t j = 0; j < length; ++j)
        m.set(r, j, 0);
    return m;
  }
  BucketLayout layout(bool secondMoment) {
    return {rows,
            length,
            type(c.param),
            type(c.grad),
            type(c.moment),
            secondMoment ? type(c.moment) : Type(),
            c.copy.empty() ? Type() : type(c.copy)};
  }
  double clipped(int64_t r, int64_t j) { return grad.get(r, j) * std::min(1.0, maxNorm / (norm + 1e-6)); }
  void expectCopy() {
    if (!c.copy.empty())
      expectMatrix(copy, 0, 1, [&](int64_t r, int64_t j) { return roundedTo(copy.layout.type, param.get(r, j)); });
  }
};

TEST_P(OptimizerPrograms, Adamw) {
  const AdamwOptions options{0.9, 0.95, epsilon, decay, maxNorm};
  std::vector<void *> args{param.data(), grad.data(), first.data(), second.data()};
  if (!c.copy.empty())
    args.push_back(copy.data());
  args.insert(args.end(), {&normValue, status.data(), scalars.data()});
  for (int step = 1; step <= 3; ++step) {
    grad.randomize(10 + step);
    scalars = {0, learningRate, 1 - std::pow(0.9, step), 1 - std::pow(0.95, step), double(step), 0, 0, 0};
    FloatMatrix oldParam = param, oldFirst = first, oldSecond = second;
    run([&](OpBuilder &b) { return buildAdamw(b, "adamw", layout(true), options); }, args);
    auto mean = [&](int64_t r, int64_t j) { return 0.9 * oldFirst.get(r, j) + 0.1 * clipped(r, j); };
    auto square = [&](int64_t r, int64_t j) { return 0.95 * oldSecond.get(r, j) + 0.05 * std::pow(clipped(r, j), 2); };
    expectMatrix(first, toleranceOf(first.layout.type), 0.01, mean);
    expectMatrix(second, toleranceOf(second.layout.type), 0.001, square);
    expectMatrix(param, toleranceOf(param.layout.type), 0.05, [&](int64_t r, int64_t j) {
      const double hat = mean(r, j) / scalars[2], root = std::sqrt(square(r, j) / scalars[3]);
      return oldParam.get(r, j) * (1 - learningRate * decay) - learningRate * hat / (root + epsilon);
    });
    expectCopy();
  }
}

TEST_P(OptimizerPrograms, SgdWithMomentum) {
  const SgdOptions options{0.9, decay, maxNorm};
  std::vector<void *> args{param.data(), grad.data(), first.data()};
  if (!c.copy.empty())
    args.push_back(copy.data());
  args.insert(args.end(), {&normValue, status.data(), scalars.data()});
  scalars[1] = learningRate;
  for (int step = 1; step <= 3; ++step) {
    grad.randomize(20 + step);
    FloatMatrix oldParam = param, oldFirst = first;
    run([&](OpBuilder &b) { return buildSgd(b, "sgd", layout(false), options); }, args);
    auto momentum = [&](int64_t r, int64_t j) {
      return 0.9 * oldFirst.get(r, j) + clipped(r, j) + decay * oldParam.get(r, j);
    };
    expectMatrix(first, toleranceOf(first.layout.type), 0.1, momentum);
    expectMatrix(param, toleranceOf(param.layout.type), 0.05,
                 [&](int64_t r, int64_t j) { return oldParam.get(r, j) - learningRate * momentum(r, j); });
    expectCopy();
  }
}

TEST_P(OptimizerPrograms, WriteNothingOnceStatusIsSet) {
  status[0] = 1;
  grad.randomize(3), first.randomize(4), second.randomize(5), copy.randomize(6);
  scalars = {0, learningRate, 0.1, 0.05, 1, 0, 0, 0};
  const FloatMatrix oldParam = param, oldFirst = first, oldSecond = second, oldCopy = copy;
  std::vector<void *> args{param.data(), grad.data(), first.data(), second.data()};
  if (!c.copy.empty())
    args.push_back(copy.data());
  args.insert(args.end(), {&normValue, status.data(), scalars.data()});
  run([&](OpBuilder &b) { return buildAdamw(b, "adamw", layout(true), {0.9, 0.95, epsilon, decay, 0}); }, args);
  auto expectSame = [](const FloatMatrix &now, const FloatMatrix &before) {
    expectMatrix(now, 0, 1, [&](int64_t r, int64_t j) { return before.get(r, j); });
  };
  expectSame(param, oldParam), expectSame(first, oldFirst), expectSame(second, oldSecond), expectSame(copy, oldCopy);
}

// What is skipped while the run goes on leaves everything, but for the copy, whose memory may have been another's.
TEST_P(OptimizerPrograms, MakeTheCopyOfASkippedStepAgain) {
  status[0] = 1;
  grad.randomize(3), first.randomize(4), second.randomize(5), copy.randomize(6);
  for (int64_t r = 0; r < rows; ++r)
    grad.set(r, 0, INFINITY);
  scalars = {0, learningRate, 0.1, 0.05, 1, 0, 0, 0};
  const FloatMatrix oldParam = param, oldFirst = first, oldSecond = second;
  double inverse = 0x1p-16;
  std::vector<void *> args{param.data(), grad.data(), first.data(), second.data()};
  if (!c.copy.empty())
    args.push_back(copy.data());
  args.insert(args.end(), {&normValue, status.data(), scalars.data(), &inverse});
  BucketLayout scaled = layout(true);
  scaled.scaled = true;
  run([&](OpBuilder &b) { return buildAdamw(b, "adamw", scaled, {0.9, 0.95, epsilon, decay, 0}); }, args);
  auto expectSame = [](const FloatMatrix &now, const FloatMatrix &before) {
    expectMatrix(now, 0, 1, [&](int64_t r, int64_t j) { return before.get(r, j); });
  };
  expectSame(param, oldParam), expectSame(first, oldFirst), expectSame(second, oldSecond);
  expectCopy();
}

INSTANTIATE_TEST_SUITE_P(Types, OptimizerPrograms,
                         testing::Values(Case{"f32", "f32", "f32", ""}, Case{"f32", "bf16", "f32", "bf16"},
                                         Case{"bf16", "bf16", "bf16", ""}, Case{"bf16", "f32", "f32", ""},
                                         Case{"f32", "bf16", "f32", "bf16", 300}, Case{"f64", "f64", "f64", ""},
                                         Case{"f32", "f32", "f32", "f16"}, Case{"f32", "f16", "f32", "f16", 300}));

} // namespace
} // namespace ft
