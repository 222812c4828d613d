#include "runtime/Device/Cuda/GemmLayout.h"

#include <gtest/gtest.h>

#include <random>

using namespace ft;
using namespace ft::rt;

namespace {

plan::Gemm makeGemm(uint64_t m, uint64_t n, uint64_t k, bool transA, bool transB, uint64_t padding) {
  plan::Gemm gemm;
  gemm.set_m(m), gemm.set_n(n), gemm.set_k(k);
  gemm.set_trans_a(transA), gemm.set_trans_b(transB);
  gemm.set_lda((transA ? m : k) + padding), gemm.set_ldb((transB ? k : n) + padding), gemm.set_ldd(n + padding);
  gemm.set_a_type(plan::F32), gemm.set_b_type(plan::F32), gemm.set_d_type(plan::F32);
  gemm.set_compute_type(plan::F32);
  gemm.set_alpha(1);
  return gemm;
}

/// Element (r, c) of a column-major matrix, transposed or not.
double element(const std::vector<double> &values, const ColumnMajor &matrix, bool transposed, uint64_t batch,
               uint64_t r, uint64_t c) {
  if (transposed)
    std::swap(r, c);
  EXPECT_LT(r, matrix.rows);
  EXPECT_LT(c, matrix.columns);
  return values.at(batch * matrix.batchStride + r + c * matrix.pitch);
}

std::vector<double> randomNumbers(size_t count) {
  static std::mt19937_64 random(7);
  std::vector<double> numbers(count);
  for (double &number : numbers)
    number = static_cast<double>(random() >> 11) * 0x1p-52 - 1.0;
  return numbers;
}

/// What cuBLASLt would compute from the layout, against the row-major definition of plan::Gemm.
void check(const plan::Gemm &gemm) {
  auto layout = layoutGemm(gemm);
  ASSERT_TRUE(layout.ok()) << layout.status().message();
  const uint64_t batch = std::max<uint64_t>(gemm.batch(), 1);
  const uint64_t aRows = gemm.trans_a() ? gemm.k() : gemm.m(), bRows = gemm.trans_b() ? gemm.n() : gemm.k();
  const std::vector<double> a = randomNumbers((batch - 1) * gemm.stride_a() + aRows * gemm.lda());
  const std::vector<double> b = randomNumbers((batch - 1) * gemm.stride_b() + bRows * gemm.ldb());
  for (uint64_t i = 0; i < batch; ++i)
    for (uint64_t row = 0; row < gemm.m(); ++row)
      for (uint64_t column = 0; column < gemm.n(); ++column) {
        double expected = 0, got = 0;
        for (uint64_t k = 0; k < gemm.k(); ++k) {
          const uint64_t atA = gemm.trans_a() ? k * gemm.lda() + row : row * gemm.lda() + k;
          const uint64_t atB = gemm.trans_b() ? column * gemm.ldb() + k : k * gemm.ldb() + column;
          expected += a[i * gemm.stride_a() + atA] * b[i * gemm.stride_b() + atB];
        }
        // Column-major D' [m', n'] = op(left) · op(right); D'(column, row) is D(row, column).
        ASSERT_EQ(layout->m, gemm.n());
        ASSERT_EQ(layout->n, gemm.m());
        for (uint64_t k = 0; k < layout->k; ++k)
          got += element(b, layout->left, layout->transposeLeft, i, column, k) *
                 element(a, layout->right, layout->transposeRight, i, k, row);
        ASSERT_NEAR(got, expected, 1e-12);
        ASSERT_EQ(column + row * layout->result.pitch, row * gemm.ldd() + column);
      }
}

std::string refusal(const plan::Gemm &gemm, Code code) {
  auto layout = layoutGemm(gemm);
  EXPECT_FALSE(layout.ok());
  EXPECT_EQ(layout.status().code(), code);
  return layout.status().message();
}

} // namespace

TEST(GemmLayoutTest, MeansTheRowMajorProduct) {
  for (int form = 0; form < 4; ++form)
    for (uint64_t padding : {0, 3})
      check(makeGemm(5, 7, 4, form & 1, form & 2, padding));
}

TEST(GemmLayoutTest, CarriesBatchesThatInterleave) {
  plan::Gemm gemm = makeGemm(3, 4, 5, false, true, 0);
  gemm.set_batch(2);
  gemm.set_lda(10), gemm.set_ldb(10), gemm.set_ldd(8);
  gemm.set_stride_a(5), gemm.set_stride_b(5), gemm.set_stride_d(4);
  check(gemm);
}

TEST(GemmLayoutTest, RefusesWhatItDoesNotMultiply) {
  plan::Gemm gemm = makeGemm(5, 7, 4, false, false, 0);
  gemm.set_a_type(plan::F64);
  EXPECT_EQ(refusal(gemm, Code::CannotRun),
            "gemm 5x7x4, A f64 lda 4, B f32 ldb 7, D f32 ldd 7, batch 1: f64 runs on the cpu driver only; compile for "
            "target cpu");
  gemm.set_a_type(plan::BF16);
  EXPECT_NE(refusal(gemm, Code::BadInput).find("must be f32 · f32 → f32, bf16 · bf16"), std::string::npos);
  gemm.set_b_type(plan::BF16);
  EXPECT_TRUE(layoutGemm(gemm).ok()); // bf16 · bf16 → f32
  gemm.set_beta(0.5);
  EXPECT_NE(refusal(gemm, Code::BadInput).find("beta is 0.5; must be 0 or 1"), std::string::npos);
  gemm.set_beta(0);
  gemm.set_ldb(6);
  EXPECT_NE(refusal(gemm, Code::BadInput).find("B: the leading dimension 6 is less than the row length 7"),
            std::string::npos);
  gemm.set_ldb(7);
  gemm.set_k(0);
  EXPECT_NE(refusal(gemm, Code::BadInput).find("0 is out of range; sizes must be in [1, 2147483647]"),
            std::string::npos);
}

TEST(GemmLayoutTest, MeasuresOperands) {
  plan::Operand operand;
  EXPECT_EQ(operandBytes(operand), 0u);
  operand.set_rows(3), operand.set_row_bytes(10), operand.set_pitch(16);
  EXPECT_EQ(operandBytes(operand), 42u);
  operand.set_batch(2), operand.set_batch_pitch(100);
  EXPECT_EQ(operandBytes(operand), 142u);
  for (auto [offset, alignment] : {std::pair{0u, 16u}, {48u, 16u}, {8u, 8u}, {12u, 4u}, {7u, 1u}}) {
    operand.set_offset(offset);
    EXPECT_EQ(operandAlignment(operand), alignment);
  }
}
