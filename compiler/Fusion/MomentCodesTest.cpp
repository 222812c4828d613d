// The dynamic maps against how bitsandbytes makes them, and updates of moments in codes against the same update in
// plain f32 arithmetic, bit for bit.
#include "compiler/Fusion/ProgramTesting.h"
#include "runtime/Plan/DynamicMap.h"
#include "runtime/Support/Philox.h"

#include <array>
#include <bit>
#include <limits>

using namespace mlir;
using ft::plan::DynamicMap;

namespace ft {
namespace {

constexpr int64_t block = plan::momentBlock;

/// The values from zero up, as bitsandbytes' create_dynamic_map makes them: middles of equal parts of [0.1, 1] times a
/// power of ten, 0 and 1; in long double, whose error never decides.
std::vector<float> valuesOf(bool isSigned) {
  std::vector<float> values{0};
  for (int decade = 0; decade < 7; ++decade) {
    const int parts = (isSigned ? 1 : 2) << decade;
    for (int part = 0; part < parts; ++part) {
      const long double low = 0.1L + 0.9L * part / parts, high = 0.1L + 0.9L * (part + 1) / parts;
      values.push_back(float((low + high) / 2 * std::pow(10.0L, decade - 6)));
    }
  }
  values.push_back(1);
  return values;
}

TEST(DynamicMap, HasTheValuesOfBitsandbytes) {
  for (bool isSigned : {true, false}) {
    const DynamicMap map{isSigned};
    const std::vector<float> values = valuesOf(isSigned);
    ASSERT_EQ(values.size(), map.last() + 1u);
    for (uint32_t number = 0; number < values.size(); ++number) {
      EXPECT_EQ(map.value(number), values[number]) << isSigned << ", " << number;
      EXPECT_EQ(map.nearest(map.value(number)), number);
      EXPECT_EQ(map.decoded(map.code(number, false)), values[number]);
    }
  }
  // 256 values: one for each code, in the order of bitsandbytes' codes where there are signs.
  const DynamicMap map{true};
  for (int code = 1; code < 256; ++code)
    EXPECT_LT(map.decoded(uint8_t(code - 128)), map.decoded(uint8_t(code - 127))) << code;
  EXPECT_EQ(map.decoded(0), 0.0f);
  EXPECT_EQ(map.decoded(128), 1.0f);
  EXPECT_EQ(map.decoded(129), -map.value(127));
}

TEST(DynamicMap, TakesTheNearest) {
  std::mt19937 engine(1);
  for (bool isSigned : {true, false}) {
    const DynamicMap map{isSigned};
    const std::vector<float> values = valuesOf(isSigned);
    auto check = [&](float x) {
      const uint32_t number = map.nearest(x);
      // What the rounding of x in its decade, and of both values, may decide: which of two is nearer.
      const long double own = std::fabs((long double)x - values[number]), slack = (long double)x * 0x1p-22L;
      for (float value : values)
        ASSERT_LE(own, std::fabs((long double)x - value) + slack) << x << " became " << values[number];
    };
    std::uniform_real_distribution<double> exponent(-9, 0);
    for (int i = 0; i < 20000; ++i)
      check(float(std::pow(10, exponent(engine))));
    for (size_t i = 0; i + 1 < values.size(); ++i) {
      const float middle = (values[i] + values[i + 1]) / 2;
      for (float x : {std::nextafter(middle, 0.0f), middle, std::nextafter(middle, 2.0f)})
        check(x);
    }
    EXPECT_EQ(map.nearest(0), 0u);
    EXPECT_EQ(map.nearest(std::nextafter(1.0f, 2.0f)), map.last());
    EXPECT_EQ(map.nearest(std::numeric_limits<float>::quiet_NaN()), map.last());
  }
  // A negative moment never becomes zero, a positive one may; a negative one has no 1.
  const DynamicMap map{true};
  EXPECT_EQ(map.decoded(map.encoded(-1e-9f)), -map.value(1));
  EXPECT_EQ(map.decoded(map.encoded(1e-9f)), 0.0f);
  EXPECT_EQ(map.encoded(0.0f), 0);
  EXPECT_EQ(map.encoded(-0.0f), 0);
  EXPECT_EQ(map.decoded(map.encoded(-1.0f)), -map.value(127));
}

/// A bucket in f32 arithmetic, one operation rounded after the other.
struct Reference {
  static constexpr float beta1 = 0.1f, keep2 = 0.999f, beta2 = float(1 - 0.999), epsilon = 1e-8f;
  std::vector<float> param;
  std::vector<uint8_t> first, second;
  std::vector<float> firstScales, secondScales;

  void update(const std::vector<float> &grads, float factor, float decay, float stepSize, float rootCorrection) {
    for (size_t b = 0; b < firstScales.size(); ++b) {
      std::array<float, block> means{}, squares{};
      float firstScale = 0, secondScale = 0;
      for (int64_t j = 0; j < block; ++j) {
        const size_t i = b * block + j;
        const float g = grads[i] * factor;
        const float oldMean = DynamicMap{true}.decoded(first[i]) * firstScales[b];
        const float oldSquare = DynamicMap{false}.decoded(second[i]) * secondScales[b];
        const float difference = g - oldMean, part = difference * beta1;
        means[j] = oldMean + part;
        const float kept = oldSquare * keep2, gg = g * g, added = gg * beta2;
        squares[j] = kept + added;
        const float root = std::sqrt(squares[j]) / rootCorrection, below = root + epsilon;
        const float decayed = param[i] * decay, quotient = means[j] / below, step = quotient * stepSize;
        param[i] = decayed - step;
        firstScale = std::max(firstScale, std::fabs(means[j]));
        secondScale = std::max(secondScale, squares[j]);
      }
      firstScales[b] = firstScale, secondScales[b] = secondScale;
      for (int64_t j = 0; j < block; ++j) {
        first[b * block + j] = DynamicMap{true}.encoded(means[j] * plan::inverseOfScale(firstScale));
        second[b * block + j] = DynamicMap{false}.encoded(squares[j] * plan::inverseOfScale(secondScale));
      }
    }
  }
};

class MomentCodes : public ProgramTest {
protected:
  static constexpr int64_t rows = 13;
  static constexpr size_t elements = rows * block;
  static constexpr double learningRate = 1e-2, decay = 0.1;
  double norm = 2.5;
  std::vector<int32_t> status{0, 0, 0, 0};
  std::vector<double> scalars;

  void setStep(int step) {
    scalars = {0, learningRate, 1 - std::pow(0.9, step), 1 - std::pow(0.999, step), double(step), 0, 0, 0};
  }

  /// Blocks of very different sizes, and of elements that are: what is coarse, small, subnormal and zero.
  static std::vector<float> gradients(unsigned seed) {
    std::vector<float> grads(elements);
    randomize(std::span(grads), seed);
    std::mt19937 engine(seed);
    std::uniform_real_distribution<float> exponent(-12, 0);
    for (size_t i = 0; i < elements; ++i) {
      const int64_t b = int64_t(i) / block;
      grads[i] *= std::pow(10.0f, exponent(engine));
      if (b == 1)
        grads[i] = 0;
      else if (b == 2)
        grads[i] *= 1e-21f; // squares below the least normal number
      else if (b == 3)
        grads[i] = i % 2 ? 1.0f : -1.0f;
      else if (b == 4)
        grads[i] *= 1e6f;
    }
    return grads;
  }

  BucketLayout layout(const std::string &param, const std::string &copy, bool remainder = false, bool rounds = false) {
    Type i8 = IntegerType::get(&context, 8), i16 = IntegerType::get(&context, 16);
    BucketLayout bucket{rows, block, type(param), type("f32"), i8, i8};
    bucket.copy = copy.empty() ? Type() : type(copy);
    bucket.remainder = remainder ? Type(i16) : Type();
    bucket.rounds = rounds;
    return bucket;
  }

  void update(const BucketLayout &bucket, std::vector<void *> state, double maxNorm, int64_t firstRow = 0) {
    int64_t key = 0x0123456789abcdef;
    state.insert(state.end(), {&norm, status.data(), scalars.data()});
    if (bucket.rounds)
      state.insert(state.end(), {&key, &firstRow});
    run([&](OpBuilder &b) { return buildAdamw(b, "adamw", bucket, {0.9, 0.999, 1e-8, decay, maxNorm}); }, state);
  }

  void step(Reference &reference, const std::vector<float> &grads, double maxNorm) {
    const double clip = maxNorm == 0 ? 1 : std::min(1.0, maxNorm / (norm + 1e-6));
    reference.update(grads, float(clip), float(1 - learningRate * decay), float(learningRate / scalars[2]),
                     float(std::sqrt(scalars[3])));
  }

  static Reference start() {
    Reference reference;
    reference.param.resize(elements);
    randomize(std::span(reference.param), 1);
    reference.first.resize(elements), reference.second.resize(elements);
    reference.firstScales.resize(rows), reference.secondScales.resize(rows);
    return reference;
  }

  static void expectMoments(const Reference &actual, const Reference &expected) {
    EXPECT_EQ(actual.firstScales, expected.firstScales);
    EXPECT_EQ(actual.secondScales, expected.secondScales);
    for (size_t i = 0; i < elements; ++i) {
      ASSERT_EQ(actual.first[i], expected.first[i]) << "exp_avg at " << i;
      ASSERT_EQ(actual.second[i], expected.second[i]) << "exp_avg_sq at " << i;
    }
  }
};

TEST_F(MomentCodes, AreThoseOfPlainArithmetic) {
  Reference actual = start(), expected = actual;
  std::vector<Bf16> copy(elements);
  for (int number = 1; number <= 4; ++number) {
    setStep(number);
    const double maxNorm = number % 2; // clipped, and not
    std::vector<float> grads = gradients(10 + unsigned(number));
    update(layout("f32", "bf16"),
           {actual.param.data(), grads.data(), actual.first.data(), actual.second.data(), actual.firstScales.data(),
            actual.secondScales.data(), copy.data()},
           maxNorm);
    step(expected, grads, maxNorm);
    expectMoments(actual, expected);
    for (size_t i = 0; i < elements; ++i) {
      ASSERT_EQ(actual.param[i], expected.param[i]) << "parameter at " << i << ", step " << number;
      ASSERT_EQ(copy[i], floatToBf16(actual.param[i])) << i;
    }
  }
  EXPECT_EQ(actual.firstScales[1], 0.0f);
  EXPECT_GT(std::count_if(actual.first.begin(), actual.first.end(), [](uint8_t code) { return code > 128; }), 800);
}

TEST_F(MomentCodes, LieBesideMastersInHalves) {
  Reference actual = start(), expected = actual;
  std::vector<Bf16> halves(elements);
  std::vector<int16_t> rest(elements);
  for (size_t i = 0; i < elements; ++i) {
    const auto bits = std::bit_cast<uint32_t>(actual.param[i]);
    halves[i] = Bf16((bits + 0x8000) >> 16);
    rest[i] = int16_t(bits - (uint32_t(halves[i]) << 16));
  }
  for (int number = 1; number <= 2; ++number) {
    setStep(number);
    std::vector<float> grads = gradients(20 + unsigned(number));
    update(layout("bf16", "", /*remainder=*/true),
           {halves.data(), grads.data(), actual.first.data(), actual.second.data(), rest.data(),
            actual.firstScales.data(), actual.secondScales.data()},
           0);
    step(expected, grads, 0);
  }
  expectMoments(actual, expected);
  for (size_t i = 0; i < elements; ++i)
    ASSERT_EQ(std::bit_cast<float>((uint32_t(halves[i]) << 16) + uint32_t(int32_t(rest[i]))), expected.param[i]) << i;
}

TEST_F(MomentCodes, RoundParametersWithTheBitsOfTheirRows) {
  constexpr int64_t firstRow = 70000;
  Reference expected = start();
  for (float &p : expected.param)
    p = bf16ToFloat(floatToBf16(p));
  Reference actual = expected;
  std::vector<Bf16> param(elements);
  std::transform(actual.param.begin(), actual.param.end(), param.begin(), floatToBf16);
  setStep(3);
  std::vector<float> grads = gradients(30);
  update(layout("bf16", "", /*remainder=*/false, /*rounds=*/true),
         {param.data(), grads.data(), actual.first.data(), actual.second.data(), actual.firstScales.data(),
          actual.secondScales.data()},
         1, firstRow);
  step(expected, grads, 1);
  expectMoments(actual, expected);
  for (uint32_t i = 0; i < elements; ++i) {
    const uint32_t row = uint32_t(firstRow) + i / 1024, lane = i % 1024;
    const rt::PhiloxBlock words = rt::philox4x32({3, row, lane % 256, 0}, rt::splitKey(0x0123456789abcdef));
    const uint32_t bits = words[lane / 256] >> 8 & 0xffff;
    ASSERT_EQ(param[i], Bf16((std::bit_cast<uint32_t>(expected.param[i]) + bits) >> 16)) << i;
  }
}

TEST_F(MomentCodes, StayWhereNothingIsUpdated) {
  Reference actual = start();
  for (size_t i = 0; i < elements; ++i)
    actual.first[i] = uint8_t(i * 7), actual.second[i] = uint8_t(i * 11);
  for (int64_t b = 0; b < rows; ++b)
    actual.firstScales[b] = float(b), actual.secondScales[b] = float(2 * b);
  const Reference before = actual;
  status[0] = 1;
  setStep(2);
  std::vector<float> grads = gradients(40);
  update(layout("f32", ""),
         {actual.param.data(), grads.data(), actual.first.data(), actual.second.data(), actual.firstScales.data(),
          actual.secondScales.data()},
         0);
  expectMoments(actual, before);
  EXPECT_EQ(actual.param, before.param);
}

} // namespace
} // namespace ft
