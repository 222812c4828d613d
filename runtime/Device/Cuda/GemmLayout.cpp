#include "runtime/Device/Cuda/GemmLayout.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace ft::rt {

namespace {

const char *typeName(plan::DType type) {
  switch (type) {
  case plan::F64:
    return "f64";
  case plan::F32:
    return "f32";
  case plan::BF16:
    return "bf16";
  case plan::F16:
    return "f16";
  case plan::F8E4M3:
    return "e4m3";
  default:
    return "an integer type";
  }
}

Status checkTypes(const plan::Gemm &gemm, const std::string &what) {
  const plan::DType a = gemm.a_type(), b = gemm.b_type(), d = gemm.d_type();
  for (plan::DType type : {a, b, d, gemm.compute_type()})
    if (type == plan::F64)
      return cannotRun(what + ": f64 runs on the cpu driver only; compile for target cpu");
  if (gemm.compute_type() != plan::F32)
    return badInput(fmt::format("{}: compute_type is {}; must be f32", what, typeName(gemm.compute_type())));
  const bool single = a == plan::F32 && b == plan::F32 && d == plan::F32;
  const bool half = (a == plan::BF16 || a == plan::F16) && a == b && (d == a || d == plan::F32);
  const bool codes = a == plan::F8E4M3 && b == a && (d == plan::BF16 || d == plan::F32);
  if (!single && !half && !codes)
    return badInput(fmt::format("{}: must be f32 · f32 → f32, bf16 · bf16 → bf16 or f32, f16 · f16 → f16 or f32, or "
                                "e4m3 · e4m3 → bf16 or f32",
                                what));
  if (codes && (gemm.trans_a() || !gemm.trans_b() || gemm.alpha() != 1 || gemm.beta() != 0 || gemm.batch() > 1))
    return badInput(what + ": of e4m3 must be alpha 1, beta 0, one batch, A as it lies and B transposed");
  return {};
}

/// The row-major matrix [rows, columns] as stored, read column by column.
Status fillMatrix(ColumnMajor &matrix, uint64_t rows, uint64_t columns, uint64_t pitch, uint64_t stride,
                  plan::DType type, const std::string &what) {
  if (pitch < columns)
    return badInput(fmt::format("{}: the leading dimension {} is less than the row length {}", what, pitch, columns));
  if (pitch > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) / 16)
    return badInput(fmt::format("{}: the leading dimension {} is out of range", what, pitch));
  matrix = {columns, rows, pitch, stride, type};
  return {};
}

} // namespace

Expected<GemmLayout> layoutGemm(const plan::Gemm &gemm) {
  const std::string what = describeGemm(gemm);
  constexpr uint64_t Largest = std::numeric_limits<int32_t>::max();
  for (uint64_t size : {gemm.m(), gemm.n(), gemm.k(), std::max<uint64_t>(gemm.batch(), 1)})
    if (size == 0 || size > Largest)
      return badInput(fmt::format("{}: {} is out of range; sizes must be in [1, {}]", what, size, Largest));
  FT_RETURN_IF_ERROR(checkTypes(gemm, what));
  if (gemm.beta() != 0 && gemm.beta() != 1)
    return badInput(fmt::format("{}: beta is {}; must be 0 or 1", what, gemm.beta()));
  GemmLayout layout;
  layout.transposeLeft = gemm.trans_b();
  layout.transposeRight = gemm.trans_a();
  layout.m = gemm.n();
  layout.n = gemm.m();
  layout.k = gemm.k();
  layout.batch = std::max<uint64_t>(gemm.batch(), 1);
  const uint64_t bRows = gemm.trans_b() ? gemm.n() : gemm.k(), bColumns = gemm.trans_b() ? gemm.k() : gemm.n();
  const uint64_t aRows = gemm.trans_a() ? gemm.k() : gemm.m(), aColumns = gemm.trans_a() ? gemm.m() : gemm.k();
  FT_RETURN_IF_ERROR(
      fillMatrix(layout.left, bRows, bColumns, gemm.ldb(), gemm.stride_b(), gemm.b_type(), what + ", B"));
  FT_RETURN_IF_ERROR(
      fillMatrix(layout.right, aRows, aColumns, gemm.lda(), gemm.stride_a(), gemm.a_type(), what + ", A"));
  FT_RETURN_IF_ERROR(
      fillMatrix(layout.result, gemm.m(), gemm.n(), gemm.ldd(), gemm.stride_d(), gemm.d_type(), what + ", D"));
  return layout;
}

std::string describeGemm(const plan::Gemm &gemm) {
  return fmt::format("gemm {}x{}x{}, A {}{} lda {}, B {}{} ldb {}, D {} ldd {}, batch {}", gemm.m(), gemm.n(), gemm.k(),
                     typeName(gemm.a_type()), gemm.trans_a() ? " transposed" : "", gemm.lda(), typeName(gemm.b_type()),
                     gemm.trans_b() ? " transposed" : "", gemm.ldb(), typeName(gemm.d_type()), gemm.ldd(),
                     std::max<uint64_t>(gemm.batch(), 1));
}

uint64_t operandBytes(const plan::Operand &operand) {
  const uint64_t batch = std::max<uint64_t>(operand.batch(), 1), rows = std::max<uint64_t>(operand.rows(), 1);
  return (batch - 1) * operand.batch_pitch() + (rows - 1) * operand.pitch() + operand.row_bytes();
}

uint32_t operandAlignment(const plan::Operand &operand) {
  uint32_t alignment = 16;
  while (operand.offset() % alignment)
    alignment /= 2;
  return alignment;
}

} // namespace ft::rt
