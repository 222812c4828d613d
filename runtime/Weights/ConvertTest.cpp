#include "runtime/Weights/Convert.h"
#include "runtime/Weights/WeightsTesting.h"

#include <cmath>

namespace ft::rt {
namespace {

/// Definition of a binary format with `fraction` bits and smallest normal exponent `least`, in double arithmetic.
double roundTo(double x, int fraction, int least, double largest) {
  if (x == 0 || !std::isfinite(x))
    return x;
  int exponent = std::max(std::ilogb(x), least);
  double quantum = std::ldexp(1.0, exponent - fraction);
  double rounded = std::nearbyint(x / quantum) * quantum;
  return std::fabs(rounded) > largest ? std::copysign(INFINITY, x) : rounded;
}
double roundF16(double x) { return roundTo(x, 10, -14, 65504.0); }
double roundBf16(double x) { return roundTo(x, 7, -126, 0x1.fep127); }

TEST(Convert, EveryF16WidensExactly) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    int exponent = (bits >> 10) & 31, fraction = bits & 1023;
    float got = f16ToF32(uint16_t(bits));
    EXPECT_EQ(std::signbit(got), (bits >> 15) == 1);
    if (exponent == 31) {
      EXPECT_EQ(std::isnan(got), fraction != 0);
      EXPECT_EQ(std::isinf(got), fraction == 0);
      continue;
    }
    double magnitude = exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24);
    EXPECT_EQ(std::fabs(double(got)), magnitude) << bits;
  }
}

TEST(Convert, EveryF16AndBf16SurvivesTheWayThroughF32) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    float fromF16 = f16ToF32(uint16_t(bits)), fromBf16 = bf16ToF32(uint16_t(bits));
    EXPECT_TRUE(std::isnan(fromF16) || f32ToF16(fromF16) == bits) << bits;
    EXPECT_TRUE(std::isnan(fromBf16) || f32ToBf16(fromBf16) == bits) << bits;
  }
  EXPECT_TRUE(std::isnan(f16ToF32(f32ToF16(NAN))));
  EXPECT_TRUE(std::isnan(bf16ToF32(f32ToBf16(std::bit_cast<float>(0x7f800001u)))));
}

TEST(Convert, NarrowingRoundsToNearestEven) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 2'000'000; ++i) {
    float x = std::bit_cast<float>(uint32_t(random()));
    if (std::isnan(x))
      continue;
    EXPECT_EQ(double(bf16ToF32(f32ToBf16(x))), roundBf16(x)) << x;
    EXPECT_EQ(double(f16ToF32(f32ToF16(x))), roundF16(x)) << x;
  }
  // Midpoints between neighbours, both ways, in the range of normals and of subnormals.
  for (uint32_t bits = 0; bits < 0x7bff; ++bits) {
    float middle = (f16ToF32(uint16_t(bits)) + f16ToF32(uint16_t(bits + 1))) / 2;
    EXPECT_EQ(double(f16ToF32(f32ToF16(middle))), roundF16(middle));
    EXPECT_EQ(double(f16ToF32(f32ToF16(-middle))), roundF16(-middle));
  }
  EXPECT_EQ(f32ToF16(65519.996f), 0x7bff);
  EXPECT_EQ(f32ToF16(65520.0f), 0x7c00);
}

TEST(Convert, DoubleNarrowsWithOneRounding) {
  // Just above the midpoint of two bf16 neighbours, closer than f32 can tell: two roundings would go down to even.
  double above = 1.0 + 0x1p-8 + 0x1p-40;
  EXPECT_EQ(f32ToBf16(float(above)), f32ToBf16(1.0f)) << "the case must separate one rounding from two";
  EXPECT_EQ(bf16ToF32(f32ToBf16(f64ToF32Odd(above))), 1.0f + 0x1p-7f);
  std::mt19937_64 random(2);
  std::uniform_real_distribution<double> exponent(-30, 20);
  for (int i = 0; i < 500'000; ++i) {
    double x = std::ldexp(double(int64_t(random())), int(exponent(random)) - 63);
    EXPECT_EQ(double(bf16ToF32(f32ToBf16(f64ToF32Odd(x)))), roundBf16(x)) << x;
    EXPECT_EQ(double(f16ToF32(f32ToF16(f64ToF32Odd(x)))), roundF16(x)) << x;
  }
  EXPECT_EQ(f32ToBf16(f64ToF32Odd(1e300)), 0x7f80);
  EXPECT_EQ(f32ToBf16(f64ToF32Odd(-1e300)), 0xff80);
}

TEST(Convert, AnyRangeOfAnyEncodingToAnyType) {
  std::mt19937_64 random(3);
  std::vector<double> source(5000);
  for (double &x : source)
    x = std::normal_distribution<double>()(random);
  auto bytes = std::as_bytes(std::span(source));
  TensorView view{"x", Encoding::F64, {source.size()}, bytes};
  std::vector<float> narrow(3000);
  std::vector<uint16_t> half(3000);
  convertElements(view, 777, 3000, plan::F32, reinterpret_cast<std::byte *>(narrow.data()));
  convertElements(view, 777, 3000, plan::BF16, reinterpret_cast<std::byte *>(half.data()));
  for (size_t i = 0; i < 3000; ++i) {
    EXPECT_EQ(narrow[i], float(source[777 + i]));
    EXPECT_EQ(double(bf16ToF32(half[i])), roundBf16(source[777 + i]));
  }
  TensorView halves{"y", Encoding::BF16, {half.size()}, std::as_bytes(std::span(half))};
  std::vector<double> wide(2999);
  convertElements(halves, 1, 2999, plan::F64, reinterpret_cast<std::byte *>(wide.data()));
  for (size_t i = 0; i < 2999; ++i)
    EXPECT_EQ(wide[i], double(bf16ToF32(half[i + 1])));
}

TEST(Convert, IntegersConvertOnlyToThemselves) {
  EXPECT_TRUE(isConvertible(Encoding::I64, plan::I64));
  EXPECT_FALSE(isConvertible(Encoding::I64, plan::F32));
  EXPECT_FALSE(isConvertible(Encoding::F32, plan::U8));
  EXPECT_TRUE(isConvertible(Encoding::Q4_1, plan::BF16));
}

} // namespace
} // namespace ft::rt
