// Conformance: GEMM in every form that plans use, against double precision.
#include "runtime/Device/ConformanceFixture.h"
#include "runtime/Plan/Fp8.h"
#include "runtime/Support/Bfloat16.h"
#include "runtime/Support/Float16.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace ft;
using namespace ft::rt;

namespace {
uint16_t shorten(float value, plan::DType type) { return type == plan::F16 ? f32ToF16(value) : f32ToBf16(value); }
float widen(uint16_t bits, plan::DType type) { return type == plan::F16 ? f16ToF32(bits) : bf16ToF32(bits); }

struct Size {
  uint64_t m, n, k;
};

class GemmConformance : public DeviceConformance {
protected:
  /// A host matrix in the plan's type, with the values that the type holds.
  struct Operand {
    plan::DType type;
    std::vector<uint8_t> bytes;
    std::vector<double> values;
  };

  Operand makeOperand(plan::DType type, size_t count) {
    Operand operand{type, {}, randomNumbers(count)};
    operand.bytes.resize(count * width(type));
    for (size_t i = 0; i < count; ++i) {
      double &value = operand.values[i];
      if (type == plan::F64) {
        reinterpret_cast<double *>(operand.bytes.data())[i] = value;
      } else if (type == plan::F32) {
        value = reinterpret_cast<float *>(operand.bytes.data())[i] = static_cast<float>(value);
      } else {
        const uint16_t bits = shorten(static_cast<float>(value), type);
        reinterpret_cast<uint16_t *>(operand.bytes.data())[i] = bits;
        value = widen(bits, type);
      }
    }
    return operand;
  }

  static double read(const std::vector<uint8_t> &bytes, plan::DType type, size_t i) {
    return type == plan::F64   ? reinterpret_cast<const double *>(bytes.data())[i]
           : type == plan::F32 ? reinterpret_cast<const float *>(bytes.data())[i]
                               : widen(reinterpret_cast<const uint16_t *>(bytes.data())[i], type);
  }

  /// The relative error of one rounding to the type.
  static double unitOf(plan::DType type) {
    return type == plan::F64 ? 0x1p-53 : type == plan::F32 ? 0x1p-24 : type == plan::F16 ? 0x1p-11 : 0x1p-8;
  }

  static uint64_t width(plan::DType type) { return type == plan::F64 ? 8 : type == plan::F32 ? 4 : 2; }

  static plan::Gemm makeGemm(Size size, uint64_t padding, bool transA, bool transB) {
    plan::Gemm gemm;
    gemm.set_m(size.m), gemm.set_n(size.n), gemm.set_k(size.k);
    gemm.set_trans_a(transA), gemm.set_trans_b(transB);
    gemm.set_lda((transA ? size.m : size.k) + padding);
    gemm.set_ldb((transB ? size.k : size.n) + padding);
    gemm.set_ldd(size.n + padding);
    gemm.set_alpha(1);
    setTypes(gemm, plan::F32, plan::F32);
    gemm.mutable_workspace()->set_row_bytes(32 << 20);
    return gemm;
  }

  static void setTypes(plan::Gemm &gemm, plan::DType in, plan::DType out) {
    gemm.set_a_type(in), gemm.set_b_type(in), gemm.set_d_type(out);
    gemm.set_compute_type(in == plan::F64 ? plan::F64 : plan::F32);
  }

  /// Runs the GEMM on random operands and compares every element of D, and the padding beside it.
  void check(const plan::Gemm &gemm);
  /// The same of codes.
  void checkCodes(const plan::Gemm &gemm);
};

/// At most what sums of a GPU's units for FP8 lose: they add 32 terms to what they have so far, each cut off 13 bits
/// behind the leading one of the largest ("DeepSeek-V3 Technical Report", 3.3.2).
static double lostByUnits(const std::vector<double> &terms) {
  constexpr size_t together = 32;
  double largest = 0, sum = 0, lost = 0;
  for (size_t i = 0; i < terms.size(); ++i) {
    largest = std::max({largest, std::abs(terms[i]), std::abs(sum)});
    sum += terms[i];
  }
  if (largest == 0)
    return 0;
  const double unit = std::ldexp(1.0, std::ilogb(std::max(largest, std::abs(sum))) - 13);
  for (double term : terms)
    lost += std::fmod(std::abs(term), unit);
  return lost + unit * static_cast<double>(terms.size() / together + 1);
}

/// At most what sums in f32 lose, in any order.
static double lostInF32(const std::vector<double> &terms) {
  double sum = 0;
  for (double term : terms)
    sum += std::abs(term);
  return sum * static_cast<double>(terms.size() + 3) * 0x1p-24;
}

void GemmConformance::checkCodes(const plan::Gemm &gemm) {
  auto codes = [&](size_t count) {
    std::vector<uint8_t> made(count);
    for (uint8_t &code : made)
      do
        code = static_cast<uint8_t>(random());
      while ((code & 0x7f) == plan::e4m3NoNumber);
    return made;
  };
  auto scales = [&](size_t count) {
    std::vector<float> made;
    for (double number : randomNumbers(count))
      made.push_back(static_cast<float>(std::exp(3 * number) * 1e-3));
    return made;
  };
  const std::vector<uint8_t> a = codes(gemm.m() * gemm.lda()), b = codes(gemm.n() * gemm.ldb());
  const std::vector<float> scaleA = scales(gemm.m()), scaleB = scales(gemm.n());
  auto handle = device().prepareGemm(gemm);
  ASSERT_TRUE(handle.ok()) << handle.status().message();
  const size_t elements = gemm.m() * gemm.ldd(), bytes = elements * width(gemm.d_type());
  uint8_t *out = static_cast<uint8_t *>(reserveBytes(bytes));
  const GemmAddresses at{toDevice(a), toDevice(b), out, reserveBytes(32 << 20), toDevice(scaleA), toDevice(scaleB)};
  const Status status = device().scaledGemm(0, *handle, at);
  ASSERT_TRUE(status.ok()) << status.message();
  const std::vector<uint8_t> got = toHost(out, bytes);
  for (uint64_t r = 0; r < gemm.m(); ++r)
    for (uint64_t c = 0; c < gemm.n(); ++c) {
      std::vector<double> terms;
      for (uint64_t k = 0; k < gemm.k(); ++k)
        terms.push_back(double(plan::e4m3Value(a[r * gemm.lda() + k])) * plan::e4m3Value(b[c * gemm.ldb() + k]));
      const double sum = std::accumulate(terms.begin(), terms.end(), 0.0);
      const double scale = double(scaleA[r]) * scaleB[c];
      const double lost = isCuda() ? lostByUnits(terms) : lostInF32(terms);
      const double outUnit = gemm.d_type() == plan::F32 ? 0x1p-24 : 0x1p-8;
      ASSERT_NEAR(read(got, gemm.d_type(), r * gemm.ldd() + c), scale * sum,
                  scale * lost + (outUnit * 1.01 + 0x1p-22) * std::abs(scale * sum))
          << fmt::format("element {} {} of {}x{}x{}", r, c, gemm.m(), gemm.n(), gemm.k());
    }
}

void GemmConformance::check(const plan::Gemm &gemm) {
  const uint64_t batch = std::max<uint64_t>(1, gemm.batch());
  const uint64_t aRows = gemm.trans_a() ? gemm.k() : gemm.m(), bRows = gemm.trans_b() ? gemm.n() : gemm.k();
  const Operand a = makeOperand(gemm.a_type(), (batch - 1) * gemm.stride_a() + aRows * gemm.lda());
  const Operand b = makeOperand(gemm.b_type(), (batch - 1) * gemm.stride_b() + bRows * gemm.ldb());
  const Operand d = makeOperand(gemm.d_type(), (batch - 1) * gemm.stride_d() + gemm.m() * gemm.ldd());
  auto handle = device().prepareGemm(gemm);
  ASSERT_TRUE(handle.ok()) << handle.status().message();
  uint8_t *out = toDevice(d.bytes);
  static void *workspace = nullptr;
  static Device *owner = nullptr;
  if (owner != &device())
    workspace = reserveBytes(32 << 20), owner = &device();
  Status status = device().gemm(0, *handle, toDevice(a.bytes), toDevice(b.bytes), out, workspace);
  ASSERT_TRUE(status.ok()) << status.message();
  const std::vector<uint8_t> got = toHost(out, d.bytes.size());

  // Rounding of k products and sums in the compute type, any order: k · u · Σ|a·b| (Higham, §3.1); then D's own. With
  // beta a library may round the product to D's type before it adds D and rounds again: cuBLASLt does in bf16.
  const double unit = gemm.compute_type() == plan::F64 ? 0x1p-53 : 0x1p-24;
  const double outUnit = unitOf(gemm.d_type());
  for (uint64_t i = 0; i < batch; ++i)
    for (uint64_t r = 0; r < gemm.m(); ++r)
      for (uint64_t c = 0; c < gemm.ldd(); ++c) {
        const size_t at = i * gemm.stride_d() + r * gemm.ldd() + c;
        if (at >= d.values.size())
          continue;
        if (c >= gemm.n()) { // the other columns are somebody else's, unless a batch interleaves there
          if (batch == 1) {
            ASSERT_EQ(read(got, d.type, at), d.values[at]) << "padding at row " << r << " column " << c;
          }
          continue;
        }
        double sum = 0, size = 0;
        for (uint64_t k = 0; k < gemm.k(); ++k) {
          const double x = a.values[i * gemm.stride_a() + (gemm.trans_a() ? k * gemm.lda() + r : r * gemm.lda() + k)];
          const double y = b.values[i * gemm.stride_b() + (gemm.trans_b() ? c * gemm.ldb() + k : k * gemm.ldb() + c)];
          sum += x * y, size += std::abs(x * y);
        }
        const double exact = gemm.alpha() * sum + gemm.beta() * d.values[at];
        const double rounded = std::abs(exact) + (gemm.beta() != 0 ? std::abs(gemm.alpha() * sum) : 0);
        const double bound = (gemm.k() + 3) * unit * (std::abs(gemm.alpha()) * size + std::abs(d.values[at])) +
                             outUnit * rounded * 1.01 +
                             (gemm.d_type() == plan::F16 ? 0x1p-24 : 0); // below the least normal number
        ASSERT_NEAR(read(got, d.type, at), exact, bound)
            << fmt::format("element {} {} of {}x{}x{} batch {}, transposed {} {}, pitches {} {} {}, alpha {} beta {}",
                           r, c, gemm.m(), gemm.n(), gemm.k(), i, gemm.trans_a(), gemm.trans_b(), gemm.lda(),
                           gemm.ldb(), gemm.ldd(), gemm.alpha(), gemm.beta());
      }
}

constexpr Size sizes[] = {{1, 1, 1},      {16, 64, 32},   {37, 53, 71},  {64, 16, 576},
                          {100, 48, 300}, {256, 192, 64}, {261, 403, 77}};
} // namespace

TEST_P(GemmConformance, F32AllTransposesAndPitches) {
  for (Size size : sizes)
    for (int form = 0; form < 4; ++form)
      for (uint64_t padding : {0, 4, 48})
        check(makeGemm(size, padding, form & 1, form & 2));
}

TEST_P(GemmConformance, SixteenBitsIntoThemselvesAndF32) {
  for (Size size : sizes)
    for (int form = 0; form < 4; ++form)
      for (plan::DType in : {plan::BF16, plan::F16})
        for (plan::DType out : {in, plan::F32}) {
          // cuBLASLt wants rows of 16 bytes, which the layout phase gives it.
          plan::Gemm gemm = makeGemm({(size.m + 7) / 8 * 8, (size.n + 7) / 8 * 8, (size.k + 7) / 8 * 8}, form * 8,
                                     form & 1, form & 2);
          setTypes(gemm, in, out);
          check(gemm);
        }
}

// What a loss scale is for: sums that f16 does not hold are infinite, with their sign, and nothing else is.
TEST_P(GemmConformance, F16OverflowsToInfinity) {
  plan::Gemm gemm = makeGemm({16, 16, 64}, 0, false, true);
  setTypes(gemm, plan::F16, plan::F16);
  std::vector<uint16_t> a(16 * 64), b(16 * 64, f32ToF16(1));
  for (size_t i = 0; i < a.size(); ++i) // sums of 64 equal numbers: up to 65504 is held
    a[i] = f32ToF16((i / 64 % 2 ? -1.0f : 1.0f) * (i / 64 < 8 ? 1023.0f : 1024.0f));
  auto handle = device().prepareGemm(gemm);
  ASSERT_TRUE(handle.ok()) << handle.status().message();
  auto *out = static_cast<uint8_t *>(reserveBytes(2 * 16 * 16));
  const Status status = device().gemm(0, *handle, toDevice(a), toDevice(b), out, reserveBytes(32 << 20));
  ASSERT_TRUE(status.ok()) << status.message();
  const std::vector<uint8_t> got = toHost(out, 2 * 16 * 16);
  for (size_t i = 0; i < 16 * 16; ++i) {
    const double sign = i / 16 % 2 ? -1 : 1;
    EXPECT_EQ(read(got, plan::F16, i), sign * (i / 16 < 8 ? 65472.0 : INFINITY)) << i;
  }
}

TEST_P(GemmConformance, ScalesAndAccumulates) {
  for (plan::DType type : {plan::F32, plan::BF16, plan::F16})
    for (double alpha : {1.0, 2.0, -0.37})
      for (double beta : {0.0, 1.0})
        for (uint64_t padding : {0, 16}) {
          plan::Gemm gemm = makeGemm({48, 40, 56}, padding, false, true);
          setTypes(gemm, type, type);
          gemm.set_alpha(static_cast<float>(alpha));
          gemm.set_beta(beta);
          check(gemm);
          gemm.set_d_type(plan::F32);
          check(gemm);
        }
}

TEST_P(GemmConformance, BatchesAtAnyStride) {
  for (plan::DType type : {plan::F32, plan::BF16, plan::F16})
    for (bool heads : {false, true}) {
      // Matrices one behind the other, or as heads side by side in rows.
      plan::Gemm gemm = makeGemm({32, 48, 16}, 0, false, true);
      setTypes(gemm, type, type);
      gemm.set_batch(5);
      if (heads)
        gemm.set_lda(5 * 16), gemm.set_ldb(5 * 16), gemm.set_ldd(5 * 48);
      gemm.set_stride_a(heads ? 16 : 32 * 16);
      gemm.set_stride_b(heads ? 16 : 48 * 16);
      gemm.set_stride_d(heads ? 48 : 32 * 48);
      check(gemm);
      gemm.set_stride_b(0); // one key head for all
      check(gemm);
    }
}

TEST_P(GemmConformance, F64SumsInDoublePrecision) {
  if (isCuda())
    GTEST_SKIP() << "FP64_TRUE is for the CPU";
  for (Size size : sizes)
    for (int form = 0; form < 4; ++form) {
      plan::Gemm gemm = makeGemm(size, form, form & 1, form & 2);
      setTypes(gemm, plan::F64, plan::F64);
      gemm.set_alpha(0.5);
      gemm.set_beta(form == 2);
      check(gemm);
    }
}

// Codes are exact numbers, and so are their products: what is lost is in f32 sums, on a GPU up to 13 bits behind each
// block's largest term, and in D's rounding.
TEST_P(GemmConformance, MultipliesCodesWithScalesOfRowsAndColumns) {
  if (isCuda() && !device().info().arch.ends_with("90"))
    GTEST_SKIP() << "vectors of scales are sm_90's";
  for (Size size : {Size{16, 16, 16}, Size{8, 48, 32}, Size{64, 576, 576}, Size{264, 400, 1040}, Size{300, 208, 64}})
    for (plan::DType out : {plan::BF16, plan::F32})
      for (bool fast : {false, true}) {
        plan::Gemm gemm = makeGemm(size, 0, false, true);
        setTypes(gemm, plan::F8E4M3, out);
        gemm.set_fast_accumulation(fast);
        checkCodes(gemm);
      }
}

TEST_P(GemmConformance, CodesThatAreNoNumbersReachTheResult) {
  if (isCuda() && !device().info().arch.ends_with("90"))
    GTEST_SKIP() << "vectors of scales are sm_90's";
  plan::Gemm gemm = makeGemm({16, 32, 64}, 0, false, true);
  setTypes(gemm, plan::F8E4M3, plan::F32);
  auto handle = device().prepareGemm(gemm);
  ASSERT_TRUE(handle.ok()) << handle.status().message();
  std::vector<uint8_t> a(16 * 64, 0x38), b(32 * 64, 0x38); // ones
  a[5 * 64 + 7] = 0x7f;
  std::vector<float> scaleA(16, 1), scaleB(32, 1);
  scaleA[9] = INFINITY;
  const GemmAddresses at{toDevice(a),      toDevice(b),     reserveBytes(4 * 16 * 32), reserveBytes(32 << 20),
                         toDevice(scaleA), toDevice(scaleB)};
  ASSERT_TRUE(device().scaledGemm(0, *handle, at).ok());
  const std::vector<float> got = toHost(static_cast<float *>(at.d), 16 * 32);
  for (int r = 0; r < 16; ++r)
    for (int c = 0; c < 32; ++c) {
      if (r == 5)
        EXPECT_TRUE(std::isnan(got[r * 32 + c]));
      else
        EXPECT_EQ(got[r * 32 + c], r == 9 ? INFINITY : 64.0f);
    }
}

TEST_P(GemmConformance, TransposesBytesAndNothingBesideThem) {
  struct Shape {
    uint64_t rows, columns, srcPitch, dstPitch;
  };
  if (isCuda()) {
    plan::Plan plan;
    plan.add_segments()->add_steps()->mutable_transpose();
    const Status loaded = device().loadKernels(plan, {});
    ASSERT_TRUE(loaded.ok()) << loaded.message();
  }
  for (Shape s :
       {Shape{4, 8, 8, 4}, {128, 128, 128, 128}, {144, 160, 176, 160}, {16, 2064, 2064, 48}, {1040, 272, 272, 1040}}) {
    auto bytes = [&](size_t count) {
      std::vector<uint8_t> made(count);
      for (uint8_t &byte : made)
        byte = static_cast<uint8_t>(random());
      return made;
    };
    const std::vector<uint8_t> source = bytes(s.rows * s.srcPitch), before = bytes(s.columns * s.dstPitch);
    uint8_t *dst = toDevice(before);
    const Region to{dst, s.columns, s.rows, s.dstPitch}, from{toDevice(source), s.rows, s.columns, s.srcPitch};
    const Status status = device().transpose(0, to, from);
    ASSERT_TRUE(status.ok()) << status.message();
    std::vector<uint8_t> expected = before;
    for (uint64_t r = 0; r < s.rows; ++r)
      for (uint64_t c = 0; c < s.columns; ++c)
        expected[c * s.dstPitch + r] = source[r * s.srcPitch + c];
    EXPECT_EQ(toHost(dst, before.size()), expected) << s.rows << "x" << s.columns;
  }
}

TEST_P(GemmConformance, EqualShapesShareAHandle) {
  plan::Gemm gemm = makeGemm({16, 64, 32}, 0, false, true);
  auto first = device().prepareGemm(gemm);
  gemm.mutable_a()->set_buffer(7);
  auto second = device().prepareGemm(gemm);
  gemm.set_alpha(2);
  auto third = device().prepareGemm(gemm);
  ASSERT_TRUE(first.ok() && second.ok() && third.ok());
  EXPECT_EQ(*first, *second);
  EXPECT_NE(*first, *third);
}

TEST_P(GemmConformance, RefusesTypesThatItDoesNotMultiply) {
  plan::Gemm gemm = makeGemm({16, 64, 32}, 0, false, true);
  setTypes(gemm, plan::I64, plan::I64);
  auto handle = device().prepareGemm(gemm);
  ASSERT_FALSE(handle.ok());
  EXPECT_NE(handle.status().message().find("16x64x32"), std::string::npos) << handle.status().message();
}

INSTANTIATE_TEST_SUITE_P(Cpu, GemmConformance, testing::Values("Cpu"));
INSTANTIATE_TEST_SUITE_P(Cuda, GemmConformance, testing::Values("Cuda"));
