// Conversions of f16 in kernels, in all its numbers, against a reference that knows only their values; and that
// whatever is computed between two conversions needs no library.
#include "compiler/Codegen/KernelHarness.h"

#include <algorithm>
#include <limits>

namespace ft {
namespace {

const char *conversions = R"(
kernel.func @extend(%x: memref<1x$Nxf16>, %y: memref<1x$Nxf32>, %z: memref<1x$Nxf64>) item %i {
  %c0 = arith.constant 0 : index
  %v = vector.load %x[%i, %c0] : memref<1x$Nxf16>, vector<$Nxf16>
  %f = arith.extf %v : vector<$Nxf16> to vector<$Nxf32>
  %d = arith.extf %v : vector<$Nxf16> to vector<$Nxf64>
  vector.store %f, %y[%i, %c0] : memref<1x$Nxf32>, vector<$Nxf32>
  vector.store %d, %z[%i, %c0] : memref<1x$Nxf64>, vector<$Nxf64>
  kernel.return
}
kernel.func @round(%x: memref<1x$Nxf32>, %y: memref<1x$Nxf16>) item %i {
  %c0 = arith.constant 0 : index
  %v = vector.load %x[%i, %c0] : memref<1x$Nxf32>, vector<$Nxf32>
  %h = arith.truncf %v : vector<$Nxf32> to vector<$Nxf16>
  vector.store %h, %y[%i, %c0] : memref<1x$Nxf16>, vector<$Nxf16>
  kernel.return
}
kernel.func @extend_scalars(%x: memref<$Nxf16>, %y: memref<$Nxf32>) item %i {
  %v = memref.load %x[%i] : memref<$Nxf16>
  %f = arith.extf %v : f16 to f32
  memref.store %f, %y[%i] : memref<$Nxf32>
  kernel.return
}
kernel.func @round_scalars(%x: memref<$Nxf32>, %y: memref<$Nxf16>) item %i {
  %v = memref.load %x[%i] : memref<$Nxf32>
  %h = arith.truncf %v : f32 to f16
  memref.store %h, %y[%i] : memref<$Nxf16>
  kernel.return
})";

constexpr uint16_t infinity = 0x7c00;
constexpr size_t patterns = 1 << 16;

/// A number by IEEE 754's definition; infinity's is that of the exponent above, which rounding takes it for.
double magnitudeOf(uint16_t bits) {
  const int exponent = bits >> 10 & 0x1f, mantissa = bits & 0x3ff;
  return exponent ? std::ldexp(1024 + mantissa, exponent - 25) : std::ldexp(mantissa, -24);
}

/// The nearest, by search; of two, the one whose pattern is even.
uint16_t nearest(float value) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double magnitude = std::fabs(double(value));
  uint16_t below = 0; // the greatest that is not above
  for (uint16_t step = 1 << 14; step; step >>= 1)
    if (below + step <= infinity && magnitudeOf(below + step) <= magnitude)
      below += step;
  if (below == infinity)
    return sign | infinity;
  const double up = magnitudeOf(below + 1) - magnitude, down = magnitude - magnitudeOf(below);
  return sign | (up < down || (up == down && below % 2) ? below + 1 : below);
}

bool isNan(uint16_t bits) { return (bits & 0x7fff) > infinity; }

/// All numbers of f16, what lies half-way between each two of them, their neighbours in f32, and what is beyond.
std::vector<float> roundingSamples() {
  const float huge = std::numeric_limits<float>::infinity();
  std::vector<float> samples{huge, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::max(),
                             std::numeric_limits<float>::min(), std::numeric_limits<float>::denorm_min()};
  for (uint16_t bits = 0; bits < infinity; ++bits) {
    const float number = float(magnitudeOf(bits)), half = float((magnitudeOf(bits) + magnitudeOf(bits + 1)) / 2);
    for (float at : {number, half})
      samples.insert(samples.end(), {std::nextafter(at, 0.0f), at, std::nextafter(at, huge)});
  }
  std::mt19937 engine(3);
  for (int i = 0; i < 10000; ++i) {
    const uint32_t bits = engine();
    std::memcpy(&samples.emplace_back(), &bits, sizeof bits);
  }
  const size_t positive = samples.size();
  for (size_t i = 0; i < positive; ++i)
    samples.push_back(-samples[i]);
  return samples;
}

using ShortFloats = KernelTest;

TEST_F(ShortFloats, AllNumbersOfF16AreExtendedExactly) {
  TestKernels compiled = compileText(instantiate(conversions, patterns, 0), testTarget());
  std::vector<uint16_t> x(patterns);
  for (size_t i = 0; i < patterns; ++i)
    x[i] = uint16_t(i);
  for (const KernelImage &image : compiled.images) {
    std::vector<float> y(patterns), scalars(patterns);
    std::vector<double> z(patterns);
    runKernel(compiled, image, 0, {x.data(), y.data(), z.data()}, 1);
    runKernel(compiled, image, 2, {x.data(), scalars.data()}, patterns);
    for (size_t i = 0; i < patterns; ++i) {
      if (isNan(x[i])) {
        ASSERT_TRUE(std::isnan(y[i]) && std::isnan(z[i]) && std::isnan(scalars[i])) << image.arch << " " << i;
        continue;
      }
      double expected = (x[i] & 0x7fff) == infinity ? INFINITY : magnitudeOf(x[i] & 0x7fff);
      expected = x[i] & 0x8000 ? -expected : expected;
      ASSERT_TRUE(y[i] == expected && z[i] == expected && scalars[i] == expected) << image.arch << " " << i;
      ASSERT_EQ(std::signbit(y[i]), std::signbit(expected)) << image.arch << " " << i;
    }
  }
  ASSERT_FALSE(compiled.images.empty());
}

TEST_F(ShortFloats, RoundingIsToTheNearestAndToEvenBetweenTwo) {
  std::vector<float> x = roundingSamples();
  const size_t count = x.size();
  TestKernels compiled = compileText(instantiate(conversions, int64_t(count), 0), testTarget());
  for (const KernelImage &image : compiled.images) {
    std::vector<uint16_t> y(count), scalars(count);
    runKernel(compiled, image, 1, {x.data(), y.data()}, 1);
    runKernel(compiled, image, 3, {x.data(), scalars.data()}, int64_t(count));
    for (size_t i = 0; i < count; ++i) {
      ASSERT_EQ(y[i], scalars[i]) << image.arch << " " << x[i];
      if (std::isnan(x[i]))
        ASSERT_TRUE(isNan(y[i])) << image.arch;
      else
        ASSERT_EQ(y[i], nearest(x[i])) << image.arch << " " << x[i];
    }
  }
  ASSERT_FALSE(compiled.images.empty());
}

// Every operation that kernels may take, of numbers of f16, its result rounded to f16: LLVM is free to compute some of
// them in f16, and on x86 calls a library then.
const char *everything = R"(
kernel.func @everything(%x: memref<1x$Nx$T>, %y: memref<1x$Nx$T>, %z: memref<1x$Nx$T>, %w: memref<1x$Nx$T>,
    %s: memref<10x$T>) item %i {
  %c0 = arith.constant 0 : index
  %a0 = vector.load %x[%i, %c0] : memref<1x$Nx$T>, vector<$Nx$T>
  %b0 = vector.load %y[%i, %c0] : memref<1x$Nx$T>, vector<$Nx$T>
  %a = arith.extf %a0 : vector<$Nx$T> to vector<$Nxf32>
  %b = arith.extf %b0 : vector<$Nx$T> to vector<$Nxf32>
  %m0 = arith.maxnumf %a, %b : vector<$Nxf32>
  %m1 = arith.minnumf %m0, %b : vector<$Nxf32>
  %m2 = arith.maximumf %m1, %a : vector<$Nxf32>
  %m3 = arith.minimumf %m2, %a : vector<$Nxf32>
  %m4 = arith.truncf %m3 : vector<$Nxf32> to vector<$Nx$T>
  vector.store %m4, %z[%i, %c0] : memref<1x$Nx$T>, vector<$Nx$T>
  %r0 = math.roundeven %a : vector<$Nxf32>
  %r1 = math.floor %b : vector<$Nxf32>
  %r2 = math.ceil %a : vector<$Nxf32>
  %r3 = math.trunc %b : vector<$Nxf32>
  %r4 = math.absf %a : vector<$Nxf32>
  %r5 = math.sqrt %r4 : vector<$Nxf32>
  %r6 = math.copysign %r5, %b : vector<$Nxf32>
  %f0 = math.fma %r0, %r1, %r2 : vector<$Nxf32>
  %f1 = math.fma %r3, %r6, %f0 : vector<$Nxf32>
  %f2 = arith.truncf %f1 : vector<$Nxf32> to vector<$Nx$T>
  vector.store %f2, %w[%i, %c0] : memref<1x$Nx$T>, vector<$Nx$T>
  %max = vector.reduction <maxnumf>, %a : vector<$Nxf32> into f32
  %min = vector.reduction <minnumf>, %a : vector<$Nxf32> into f32
  %top = vector.reduction <maximumf>, %b : vector<$Nxf32> into f32
  %low = vector.reduction <minimumf>, %b : vector<$Nxf32> into f32
  %sum = vector.reduction <add>, %a : vector<$Nxf32> into f32
  %both = arith.maxnumf %max, %top : f32
  %least = arith.minnumf %min, %low : f32
  %exp = math.exp %least : f32
  %log = math.log %both : f32
  %root = math.rsqrt %both : f32
  %less = arith.cmpf olt, %least, %both : f32
  %picked = arith.select %less, %least, %both : f32
  $S
  kernel.return
})";

std::string everythingIn(const std::string &type) {
  std::string stores;
  int index = 0;
  for (const char *name : {"max", "min", "top", "low", "sum", "both", "exp", "log", "root", "picked"}) {
    const std::string at = std::to_string(index++), n(name);
    stores += "  %at" + at + " = arith.constant " + at + " : index\n  %s" + at + " = arith.truncf %" + n +
              " : f32 to $T\n  memref.store %s" + at + ", %s[%at" + at + "] : memref<10x$T>\n";
  }
  std::string text = everything;
  text.replace(text.find("$S"), 2, stores);
  for (size_t at; (at = text.find("$T")) != std::string::npos;)
    text.replace(at, 2, type);
  return text;
}

TEST_F(ShortFloats, NothingThatIsComputedNeedsALibrary) {
  for (const char *type : {"f16", "bf16"})
    for (int64_t length : {1, 7, 16, 100, 4096}) {
      const std::string text = instantiate(everythingIn(type), length, 0);
      EXPECT_EQ(compileError(text, {CodegenTarget::Driver::Cpu, {"x86-64-v3", "x86-64-v4"}}), "") << type << length;
      EXPECT_EQ(compileError(text, {CodegenTarget::Driver::Cuda, {"sm_80", "sm_90"}}), "") << type << length;
    }
}

TEST_F(ShortFloats, WhatIsComputedIsComputedInF32) {
  constexpr size_t length = 100;
  TestKernels compiled = compileText(instantiate(everythingIn("f16"), length, 0), testTarget());
  std::vector<uint16_t> x(length), y(length);
  std::mt19937 engine(7);
  std::normal_distribution<float> normal(0, 3);
  for (size_t j = 0; j < length; ++j)
    x[j] = nearest(normal(engine)), y[j] = nearest(normal(engine));
  auto number = [](uint16_t bits) { return float(bits & 0x8000 ? -magnitudeOf(bits & 0x7fff) : magnitudeOf(bits)); };
  for (const KernelImage &image : compiled.images) {
    std::vector<uint16_t> z(length), w(length), s(10);
    runKernel(compiled, image, 0, {x.data(), y.data(), z.data(), w.data(), s.data()}, 1);
    float max = -INFINITY, min = INFINITY, top = max, low = min;
    double sum = 0;
    for (size_t j = 0; j < length; ++j) {
      const float a = number(x[j]), b = number(y[j]);
      const float between = std::min(std::max(std::min(std::max(a, b), b), a), a);
      const float sign = std::copysign(std::sqrt(std::fabs(a)), b);
      const float product = std::fma(std::nearbyint(a), std::floor(b), std::ceil(a));
      EXPECT_EQ(z[j], nearest(between)) << image.arch << " " << a << " " << b;
      EXPECT_EQ(w[j], nearest(std::fma(std::trunc(b), sign, product))) << image.arch << " " << a << " " << b;
      max = std::max(max, a), min = std::min(min, a), top = std::max(top, b), low = std::min(low, b), sum += a;
    }
    const float both = std::max(max, top), least = std::min(min, low);
    const std::vector<double> expected{
        max, min, top, low, sum, both, std::exp(least), std::log(both), 1 / std::sqrt(both), least};
    for (size_t j = 0; j < expected.size(); ++j) // a rounding in f32 may move one in f16
      EXPECT_NEAR(number(s[j]), expected[j], 0x1p-11 * 1.01 * std::fabs(expected[j])) << image.arch << " " << j;
  }
}

} // namespace
} // namespace ft
