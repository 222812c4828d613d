// plan::Gemm, which is row-major, as the column-major product that cuBLASLt computes.
#pragma once

#include "runtime/Plan/plan.pb.h"
#include "runtime/Support/Status.h"

#include <cstdint>
#include <string>

namespace ft::rt {

/// A column-major matrix as it is stored: element (r, c) at r + c · pitch elements.
struct ColumnMajor {
  uint64_t rows = 0, columns = 0, pitch = 0;
  uint64_t batchStride = 0; ///< elements
  plan::DType type = plan::DTYPE_UNSPECIFIED;
};

/// D' = op(left) · op(right) with D' = Dᵀ, left = the plan's B and right = the plan's A: read column by column, a
/// row-major matrix is its own transpose, so Dᵀ = op(B)ᵀ · op(A)ᵀ needs no copy and keeps both transpose flags.
struct GemmLayout {
  ColumnMajor left, right, result;
  bool transposeLeft = false, transposeRight = false;
  uint64_t m = 0, n = 0, k = 0; ///< of the column-major product: m = the plan's n
  uint64_t batch = 1;
};

/// Checks shapes, types, pitches and scalars. BadInput on a plan that contradicts itself, CannotRun on what cuBLASLt
/// is not used for here (f64); messages name the value and what is allowed.
Expected<GemmLayout> layoutGemm(const plan::Gemm &gemm);

/// "gemm 16384x4096x11008, A bf16 lda 11008, B bf16 transposed ldb 11008, D f32 ldd 4096, batch 1" for messages.
std::string describeGemm(const plan::Gemm &gemm);

/// Bytes of a region from its first to its last, across rows and batches; 0 rows or batches count as 1.
uint64_t operandBytes(const plan::Operand &operand);

/// The alignment, at most 16, that an operand at this offset of an arena-aligned buffer has.
uint32_t operandAlignment(const plan::Operand &operand);

} // namespace ft::rt
