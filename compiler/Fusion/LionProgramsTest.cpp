// Lion against its authors' update in plain arithmetic of the compute type, bit for bit.
#include "compiler/Fusion/ProgramTesting.h"
#include "runtime/Plan/DynamicMap.h"
#include "runtime/Support/Philox.h"

#include <bit>

using namespace mlir;
using ft::plan::DynamicMap;

namespace ft {
namespace {

constexpr LionOptions lion{0.9, 0.99, 0.1, 1.0};
constexpr double learningRate = 1e-3, norm = 2.5;
constexpr int64_t key = 0x0123456789abcdef;

double signOf(double c) { return double(c > 0) - double(c < 0); }

/// One element; each operation is rounded to T.
template <typename T> struct Element {
  T param, mean;
  double sign; ///< of what the parameter moved against

  Element(T p, T m, T grad, const LionOptions &options) {
    const double clip = options.maxNorm == 0 ? 1 : std::min(1.0, options.maxNorm / (norm + 1e-6));
    const T g = options.maxNorm == 0 ? grad : T(grad * T(clip));
    auto mixed = [&](double beta) {
      const T kept = m * T(beta), added = g * T(1.0 - beta);
      return T(kept + added);
    };
    sign = signOf(mixed(options.beta1));
    const T decayed = options.weightDecay == 0 ? p : T(p * T(1 - learningRate * options.weightDecay));
    param = decayed - T(sign) * T(learningRate);
    mean = mixed(options.beta2);
  }
};

struct Case {
  std::string param, grad, moment, copy;
  int64_t rows = 3;
};

class LionTest : public ProgramTest {
protected:
  std::vector<int32_t> status{0, 0, 0, 0};
  std::vector<double> scalars{0, learningRate, 0, 0, 3, 0, 0, 0};
  double normValue = norm, inverse = 8;
  int64_t keys = key;

  void update(const BucketLayout &layout, std::vector<void *> state, const LionOptions &options = lion,
              int64_t firstRow = 0) {
    state.insert(state.end(), {&normValue, status.data(), scalars.data()});
    if (layout.scaled)
      state.push_back(&inverse);
    if (layout.rounds)
      state.insert(state.end(), {&keys, &firstRow});
    run([&](OpBuilder &b) { return buildLion(b, "lion", layout, options); }, state);
  }
  static void expectSame(const FloatMatrix &now, const FloatMatrix &before) {
    expectMatrix(now, 0, 1, [&](int64_t r, int64_t j) { return before.get(r, j); });
  }
};

class Lion : public LionTest, public testing::WithParamInterface<Case> {
protected:
  static constexpr int64_t length = bucketRow;
  Case c = GetParam();
  const int64_t rows = c.rows;
  FloatMatrix param = bucket(c.param).randomize(1), grad = bucket(c.grad), mean = bucket(c.moment);
  FloatMatrix copy = bucket(c.copy.empty() ? "f32" : c.copy);

  FloatMatrix bucket(const std::string &name) { return {type(name), rows, length}; }
  BucketLayout layout() {
    return {rows, length, type(c.param), type(c.grad), type(c.moment), Type(), c.copy.empty() ? Type() : type(c.copy)};
  }
  std::vector<void *> state() {
    std::vector<void *> args{param.data(), grad.data(), mean.data()};
    if (!c.copy.empty())
      args.push_back(copy.data());
    return args;
  }
  /// Some have neither a gradient nor a mean.
  void still(FloatMatrix &m) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t j = 0; j < length; j += 7)
        m.set(r, j, 0);
  }

  template <typename T> void compare(const LionOptions &options) {
    still(mean.randomize(2, 0.1));
    for (int step = 1; step <= 3; ++step) {
      still(grad.randomize(10 + unsigned(step)));
      const FloatMatrix oldParam = param, oldMean = mean;
      update(layout(), state(), options);
      int64_t moved[3] = {};
      auto element = [&](int64_t r, int64_t j) {
        const Element<T> after(T(oldParam.get(r, j)), T(oldMean.get(r, j)), T(grad.get(r, j)), options);
        ++moved[int(after.sign) + 1];
        return after;
      };
      expectMatrix(param, 0, 1,
                   [&](int64_t r, int64_t j) { return roundedTo(param.layout.type, element(r, j).param); });
      expectMatrix(mean, 0, 1, [&](int64_t r, int64_t j) { return roundedTo(mean.layout.type, element(r, j).mean); });
      if (!c.copy.empty())
        expectMatrix(copy, 0, 1, [&](int64_t r, int64_t j) { return roundedTo(copy.layout.type, param.get(r, j)); });
      for (int64_t count : moved)
        EXPECT_GT(count, 0);
    }
  }
  void compareBits(const LionOptions &options) {
    c.param == "f64" ? compare<double>(options) : compare<float>(options);
  }
};

TEST_P(Lion, HasTheBitsOfPlainArithmetic) { compareBits(lion); }
TEST_P(Lion, NeitherClippedNorDecayed) { compareBits({0.95, 0.98, 0, 0}); }

TEST_P(Lion, WritesNothingOnceStatusIsSet) {
  status[0] = 1;
  grad.randomize(3), mean.randomize(4), copy.randomize(5);
  const FloatMatrix oldParam = param, oldMean = mean, oldCopy = copy;
  update(layout(), state());
  expectSame(param, oldParam), expectSame(mean, oldMean), expectSame(copy, oldCopy);
}

TEST_P(Lion, OfScaledGradientsIsThatOfTrueOnes) {
  grad.randomize(3), mean.randomize(4, 0.1);
  BucketLayout scaled = layout();
  scaled.scaled = true;
  const FloatMatrix oldParam = param, oldMean = mean;
  update(scaled, state()); // a power of two, so that nothing is rounded by it
  const FloatMatrix newParam = param, newMean = mean;
  param = oldParam, mean = oldMean;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = 0; j < length; ++j)
      grad.set(r, j, grad.get(r, j) * inverse);
  update(layout(), state());
  expectSame(param, newParam), expectSame(mean, newMean);
  // Of a step that is skipped while the run goes on all stays, but for the copy, whose memory may have been another's.
  status[0] = 1;
  copy.randomize(5);
  update(scaled, state());
  expectSame(param, newParam), expectSame(mean, newMean);
  if (!c.copy.empty())
    expectMatrix(copy, 0, 1, [&](int64_t r, int64_t j) { return roundedTo(copy.layout.type, param.get(r, j)); });
}

INSTANTIATE_TEST_SUITE_P(Types, Lion,
                         testing::Values(Case{"f32", "f32", "f32", ""}, Case{"f32", "bf16", "f32", "bf16"},
                                         Case{"bf16", "bf16", "f32", ""}, Case{"f64", "f64", "f64", ""},
                                         Case{"f32", "f16", "f32", "f16", 300}));

/// In bf16, rounded stochastically, against the same in f32, whose results are rounded here.
TEST_F(LionTest, RoundsWithTheBitsOfItsRows) {
  constexpr int64_t rows = 3, firstRow = 70000;
  const Type bf16 = type("bf16"), f32 = type("f32");
  FloatMatrix param(bf16, rows, bucketRow), mean = param, grad(f32, rows, bucketRow);
  param.randomize(1), mean.randomize(2, 0.1), grad.randomize(3);
  const FloatMatrix oldParam = param, oldMean = mean;
  BucketLayout layout{rows, bucketRow, bf16, f32, bf16};
  layout.rounds = true;
  update(layout, {param.data(), grad.data(), mean.data()}, lion, firstRow);
  auto rounded = [&](float exact, int64_t r, int64_t j, int shift) {
    const rt::PhiloxBlock words = rt::philox4x32({3, uint32_t(firstRow + r), uint32_t(j % 256), 0}, rt::splitKey(key));
    const uint32_t bits = words[size_t(j / 256)] >> shift & 0xffff;
    return double(std::bit_cast<float>((std::bit_cast<uint32_t>(exact) + bits) & 0xffff0000u));
  };
  auto exact = [&](int64_t r, int64_t j) {
    return Element<float>(float(oldParam.get(r, j)), float(oldMean.get(r, j)), float(grad.get(r, j)), lion);
  };
  expectMatrix(param, 0, 1, [&](int64_t r, int64_t j) { return rounded(exact(r, j).param, r, j, 8); });
  expectMatrix(mean, 0, 1, [&](int64_t r, int64_t j) { return rounded(exact(r, j).mean, r, j, 0); });
  int64_t moved = 0;
  for (int64_t j = 0; j < bucketRow; ++j)
    moved += mean.get(0, j) != roundedTo(bf16, exact(0, j).mean);
  EXPECT_GT(moved, bucketRow / 8) << "is as if it were rounded to nearest";
}

/// A mean in codes, beside masters in f32 and in halves, of blocks of very different sizes.
class LionCodes : public LionTest {
protected:
  static constexpr int64_t rows = 11, block = plan::momentBlock;
  static constexpr size_t elements = rows * block;
  std::vector<float> param = std::vector<float>(elements), grads = param;
  std::vector<uint8_t> codes = std::vector<uint8_t>(elements);
  std::vector<float> scales = std::vector<float>(rows);

  void drawGradients(unsigned seed) {
    randomize(std::span(grads), seed);
    for (size_t i = 0; i < elements; ++i)
      grads[i] *= i / block == 1 ? 0 : std::pow(10.0f, -float((i * 7 + seed) % 11)) * (i / block == 2 ? 1e5f : 1);
  }
  BucketLayout layout() { return {rows, block, type("f32"), type("f32"), IntegerType::get(&context, 8)}; }
  /// The same in plain arithmetic.
  void step() {
    for (int64_t b = 0; b < rows; ++b) {
      std::vector<float> means(block);
      float scale = 0;
      for (int64_t j = 0; j < block; ++j) {
        const auto i = size_t(b * block + j);
        const float mean = DynamicMap{true}.decoded(codes[i]) * scales[size_t(b)];
        const Element<float> after(param[i], mean, grads[i], lion);
        param[i] = after.param, means[size_t(j)] = after.mean;
        scale = std::max(scale, std::fabs(after.mean));
      }
      scales[size_t(b)] = scale;
      for (int64_t j = 0; j < block; ++j)
        codes[size_t(b * block + j)] = DynamicMap{true}.encoded(means[size_t(j)] * plan::inverseOfScale(scale));
    }
  }
};

TEST_F(LionCodes, AreThoseOfPlainArithmetic) {
  randomize(std::span(param), 1);
  std::vector<float> actual = param, actualScales = scales;
  std::vector<uint8_t> actualCodes = codes;
  for (unsigned number = 1; number <= 4; ++number) {
    drawGradients(10 + number);
    update(layout(), {actual.data(), grads.data(), actualCodes.data(), actualScales.data()});
    step();
    EXPECT_EQ(actual, param) << number;
    EXPECT_EQ(actualScales, scales) << number;
    EXPECT_EQ(actualCodes, codes) << number;
  }
  EXPECT_EQ(scales[1], 0.0f);
  EXPECT_GT(std::count_if(codes.begin(), codes.end(), [](uint8_t code) { return code > 128; }), 500);
}

TEST_F(LionCodes, LieBesideMastersInHalves) {
  randomize(std::span(param), 2);
  std::vector<Bf16> halves(elements);
  std::vector<int16_t> rest(elements);
  for (size_t i = 0; i < elements; ++i) {
    const auto bits = std::bit_cast<uint32_t>(param[i]);
    halves[i] = Bf16((bits + 0x8000) >> 16);
    rest[i] = int16_t(bits - (uint32_t(halves[i]) << 16));
  }
  std::vector<float> actualScales = scales;
  std::vector<uint8_t> actualCodes = codes;
  BucketLayout split = layout();
  split.param = type("bf16"), split.remainder = IntegerType::get(&context, 16);
  for (unsigned number = 1; number <= 2; ++number) {
    drawGradients(20 + number);
    update(split, {halves.data(), grads.data(), actualCodes.data(), rest.data(), actualScales.data()});
    step();
  }
  EXPECT_EQ(actualScales, scales);
  EXPECT_EQ(actualCodes, codes);
  for (size_t i = 0; i < elements; ++i)
    ASSERT_EQ(std::bit_cast<float>((uint32_t(halves[i]) << 16) + uint32_t(int32_t(rest[i]))), param[i]) << i;
}

} // namespace
} // namespace ft
