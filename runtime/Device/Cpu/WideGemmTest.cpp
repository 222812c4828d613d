#include "runtime/Device/Cpu/Gemm.h"
#include "runtime/Support/Bfloat16.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

using namespace ft;
using namespace ft::rt;

namespace {
struct Case {
  uint64_t m, n, k, batch = 1;
  bool transA = false, transB = false, f32 = false;
  float alpha = 1, beta = 0;
  uint64_t spare = 0; ///< elements behind each row
  uint64_t workspace = 8 << 20;
  bool sameB = false; ///< one B for the whole batch
};

plan::Gemm gemmOf(const Case &c) {
  plan::Gemm gemm;
  gemm.set_m(c.m), gemm.set_n(c.n), gemm.set_k(c.k), gemm.set_batch(c.batch);
  gemm.set_trans_a(c.transA), gemm.set_trans_b(c.transB);
  gemm.set_lda((c.transA ? c.m : c.k) + c.spare), gemm.set_ldb((c.transB ? c.k : c.n) + c.spare);
  gemm.set_ldd(c.n + c.spare);
  gemm.set_stride_a((c.transA ? c.k : c.m) * gemm.lda()), gemm.set_stride_d(c.m * gemm.ldd());
  gemm.set_stride_b(c.sameB ? 0 : (c.transB ? c.n : c.k) * gemm.ldb());
  gemm.set_a_type(plan::BF16), gemm.set_b_type(plan::BF16), gemm.set_d_type(c.f32 ? plan::F32 : plan::BF16);
  gemm.set_alpha(c.alpha), gemm.set_beta(c.beta);
  gemm.mutable_workspace()->set_row_bytes(c.workspace);
  return gemm;
}

std::vector<uint16_t> randomBf16(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<uint16_t> bits(count);
  for (uint16_t &value : bits)
    value = f32ToBf16(float(random() >> 8) * 0x1p-23f - 1);
  return bits;
}

/// What each element of D was and is, with spare columns left out.
struct Outcome {
  std::vector<float> before, after;
  bool spareKept = true;
};

class WideGemm : public testing::Test {
protected:
  void SetUp() override {
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
      GTEST_SKIP() << "needs AVX-512";
    auto opened = openCpuLibraries();
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    libraries = *opened;
  }

  Outcome run(const Case &c, uint32_t threads, const std::vector<uint16_t> &a, const std::vector<uint16_t> &b) {
    const plan::Gemm gemm = gemmOf(c);
    const Team team(libraries.openMp, threads);
    auto made = makeWideGemm(gemm, team);
    EXPECT_TRUE(made.ok()) << made.status().message();
    if (!made.ok())
      return {};
    const size_t count = c.batch * c.m * gemm.ldd();
    const std::vector<uint16_t> first = randomBf16(count, 3);
    std::vector<char> d(count * (c.f32 ? 4 : 2));
    auto at = [&](size_t i) {
      float value;
      uint16_t bits;
      if (c.f32)
        return std::memcpy(&value, &d[4 * i], 4), value;
      return std::memcpy(&bits, &d[2 * i], 2), bf16ToF32(bits);
    };
    for (size_t i = 0; i < count; ++i) {
      const float value = bf16ToF32(first[i]);
      std::memcpy(&d[i * (c.f32 ? 4 : 2)], c.f32 ? static_cast<const void *>(&value) : &first[i], c.f32 ? 4 : 2);
    }
    std::vector<float> workspace(c.workspace / 4 + 16);
    EXPECT_TRUE((*made)->run(a.data(), b.data(), d.data(), workspace.data()).ok());
    Outcome outcome;
    for (size_t i = 0; i < count; ++i)
      if (i % gemm.ldd() < c.n)
        outcome.before.push_back(bf16ToF32(first[i])), outcome.after.push_back(at(i));
      else
        outcome.spareKept &= at(i) == bf16ToF32(first[i]);
    return outcome;
  }

  CpuLibraries libraries;
};
} // namespace

// Shapes around tiles of 14 × 32 and parts of 640; panels that the workspace cuts small.
TEST_F(WideGemm, IsTheProductOfWhatBf16Means) {
  for (const Case &c : {Case{64, 64, 64}, Case{33, 47, 97, 1, false, true}, Case{169, 100, 641, 1, false, true},
                        Case{350, 65, 1300, 1, false, false, false, 0.5f, 1}, Case{40, 200, 31, 3, false, true, true},
                        Case{57, 33, 60, 3, true, false, true, 2, 1, 5, 8 << 20, true},
                        Case{700, 96, 700, 1, true, true, false, 1, 0, 3},
                        Case{500, 300, 2000, 1, false, true, false, 1, 1, 8, 1 << 20}})
    for (uint32_t threads : {1, 2, 3}) {
      const plan::Gemm gemm = gemmOf(c);
      const std::vector<uint16_t> a = randomBf16(c.batch * (c.transA ? c.k : c.m) * gemm.lda(), 1);
      const std::vector<uint16_t> b = randomBf16(c.batch * (c.transB ? c.n : c.k) * gemm.ldb(), 2);
      const Outcome outcome = run(c, threads, a, b);
      ASSERT_EQ(outcome.after.size(), c.batch * c.m * c.n);
      EXPECT_TRUE(outcome.spareKept);
      for (uint64_t i = 0; i < outcome.after.size(); ++i) {
        const uint64_t item = i / (c.m * c.n), row = i / c.n % c.m, column = i % c.n;
        double sum = 0, size = 0;
        for (uint64_t k = 0; k < c.k; ++k) {
          const uint64_t inA = c.transA ? k * gemm.lda() + row : row * gemm.lda() + k;
          const uint64_t inB = c.transB ? column * gemm.ldb() + k : k * gemm.ldb() + column;
          const double x = bf16ToF32(a[item * gemm.stride_a() + inA]), y = bf16ToF32(b[item * gemm.stride_b() + inB]);
          sum += x * y, size += std::abs(x * y);
        }
        const double exact = c.alpha * sum + c.beta * outcome.before[i];
        // Sums of k terms in any order (Higham, §3.1), alpha and beta; and the one rounding of the result.
        const double slack =
            (c.k + 3) * 0x1p-24 * (std::abs(c.alpha) * size + std::abs(exact)) + (c.f32 ? 0 : 0x1p-8 * std::abs(exact));
        ASSERT_NEAR(outcome.after[i], exact, slack)
            << c.m << "x" << c.n << "x" << c.k << " on " << threads << " threads, element " << i;
      }
    }
}

TEST_F(WideGemm, HasTheSameBitsForEveryPitchWorkspaceAndTeam) {
  for (const bool transA : {false, true})
    for (const bool transB : {false, true}) {
      std::vector<std::vector<float>> results;
      for (const uint64_t spare : {0, 24})
        for (const uint64_t workspace : {1 << 20, 8 << 20})
          for (const uint32_t threads : {1, 2, 5}) {
            const Case c{190, 130, 1290, 1, transA, transB, true, 1, 0, spare, workspace * threads};
            auto operand = [&](uint64_t rows, uint64_t columns, uint32_t seed) {
              const std::vector<uint16_t> dense = randomBf16(rows * columns, seed);
              std::vector<uint16_t> laid(rows * (columns + spare), 0x7fc0);
              for (uint64_t i = 0; i < dense.size(); ++i)
                laid[i / columns * (columns + spare) + i % columns] = dense[i];
              return laid;
            };
            results.push_back(run(c, threads, operand(transA ? c.k : c.m, transA ? c.m : c.k, 1),
                                  operand(transB ? c.n : c.k, transB ? c.k : c.n, 2))
                                  .after);
          }
      for (const std::vector<float> &other : results)
        EXPECT_EQ(other, results.front());
    }
}

// Ties to even, what overflows becomes infinite, a NaN stays one, a number below the normal ones is kept.
TEST_F(WideGemm, RoundsAsBf16Does) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<std::pair<float, float>> factors{{1.0078125f, 1.0078125f}, // 1.01568604 lies above 1.015625
                                                     {1.5f, 1.0078125f},       // a tie: 1.51171875
                                                     {0x1p-70f, 0x1p-60f},     // denormal
                                                     {-0x1.8p127f, 1.5f},      // overflows
                                                     {infinity, 0.0f},         // no number
                                                     {infinity, -1.0f}};
  const Case c{32, 32, 1};
  std::vector<uint16_t> a(32), b(32, f32ToBf16(1.0f));
  for (const auto &[x, y] : factors) {
    std::fill(a.begin(), a.end(), f32ToBf16(x));
    std::fill(b.begin(), b.end(), f32ToBf16(y));
    const uint16_t expected = f32ToBf16(bf16ToF32(f32ToBf16(x)) * bf16ToF32(f32ToBf16(y)));
    for (const float value : run(c, 1, a, b).after) {
      if (std::isnan(bf16ToF32(expected)))
        EXPECT_TRUE(std::isnan(value));
      else
        EXPECT_EQ(f32ToBf16(value), expected) << x << " · " << y;
    }
  }
}

TEST_F(WideGemm, NamesBothSizesWhereTheWorkspaceHoldsNoPanel) {
  Case c{64, 64, 2000};
  c.workspace = 1000;
  const Team team(libraries.openMp, 2);
  const auto made = makeWideGemm(gemmOf(c), team);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.status().code(), Code::CannotRun);
  for (const char *part : {"GEMM 64x64x2000 bf16·bf16→bf16: panels need", "2 threads", "reserves 1000"})
    EXPECT_NE(made.status().message().find(part), std::string::npos) << made.status().message();
}
