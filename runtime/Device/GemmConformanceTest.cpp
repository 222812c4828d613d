// Conformance: GEMM in every form that plans use, against double precision.
#include "runtime/Device/ConformanceFixture.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>

using namespace ft;
using namespace ft::rt;

namespace {
uint16_t toBf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
float fromBf16(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); }

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
        value = fromBf16(reinterpret_cast<uint16_t *>(operand.bytes.data())[i] = toBf16(static_cast<float>(value)));
      }
    }
    return operand;
  }

  static double read(const std::vector<uint8_t> &bytes, plan::DType type, size_t i) {
    return type == plan::F64   ? reinterpret_cast<const double *>(bytes.data())[i]
           : type == plan::F32 ? reinterpret_cast<const float *>(bytes.data())[i]
                               : fromBf16(reinterpret_cast<const uint16_t *>(bytes.data())[i]);
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
};

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
  const double outUnit = gemm.d_type() == plan::F64 ? 0x1p-53 : gemm.d_type() == plan::F32 ? 0x1p-24 : 0x1p-8;
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
        const double bound =
            (gemm.k() + 3) * unit * (std::abs(gemm.alpha()) * size + std::abs(d.values[at])) + outUnit * rounded * 1.01;
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

TEST_P(GemmConformance, Bf16IntoBf16AndF32) {
  for (Size size : sizes)
    for (int form = 0; form < 4; ++form)
      for (plan::DType out : {plan::BF16, plan::F32}) {
        // cuBLASLt wants rows of 16 bytes, which the layout phase gives it.
        plan::Gemm gemm =
            makeGemm({(size.m + 7) / 8 * 8, (size.n + 7) / 8 * 8, (size.k + 7) / 8 * 8}, form * 8, form & 1, form & 2);
        setTypes(gemm, plan::BF16, out);
        check(gemm);
      }
}

TEST_P(GemmConformance, ScalesAndAccumulates) {
  for (plan::DType type : {plan::F32, plan::BF16})
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
  for (plan::DType type : {plan::F32, plan::BF16})
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
