// Number formats: exact widening, and rounding to nearest even, between what files hold and what plans store.
#pragma once

#include "runtime/Plan/Kinds.h"
#include "runtime/Support/Bfloat16.h"
#include "runtime/Support/Float16.h"
#include "runtime/Weights/TensorView.h"

#include <bit>

namespace ft::rt {

/// An f32 in two halves (plan.proto, Tensor::REMAINDER): the bf16 nearest to it, ties away from zero, and what its bits
/// are more than that one's. NaN stays NaN.
struct F32Halves {
  uint16_t bf16;
  int16_t remainder;
};
inline F32Halves splitF32(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value), rounded = value != value ? 0x7fc00000u : bits + 0x8000;
  return {uint16_t(rounded >> 16), int16_t(bits)};
}
inline float joinF32(F32Halves halves) {
  return std::bit_cast<float>((uint32_t(halves.bf16) << 16) + uint32_t(int32_t(halves.remainder)));
}

/// Rounds to f32 so that a second rounding to nearest, to 22 bits or fewer, equals one rounding of `value`: towards
/// zero, with the last bit set where anything was lost ("round to odd").
float f64ToF32Odd(double value);

/// A proto's repeated u64, such as a shape.
inline std::span<const uint64_t> spanOf(const google::protobuf::RepeatedField<uint64_t> &field) {
  return {field.data(), size_t(field.size())};
}
/// "BF16".
std::string dtypeName(plan::DType dtype);
/// The file encoding that holds the same bits.
Encoding encodingOf(plan::DType dtype);
/// Float encodings convert to every float dtype; integers only to themselves.
bool isConvertible(Encoding from, plan::DType to);

/// Elements [first, first + count) of `view`, in its row-major order, stored densely as `to` at `out`.
/// Requires isConvertible and the range inside the tensor. Every f16, bf16 and quantised element widens exactly as
/// ggml defines it (in f32); narrowing rounds once, to nearest even.
void convertElements(const TensorView &view, uint64_t first, uint64_t count, plan::DType to, std::byte *out);

/// The index of the first element that is NaN or infinite; `count` where all are finite, or `dtype` is of integers.
uint64_t firstNotFinite(plan::DType dtype, const std::byte *elements, uint64_t count);

/// `count` floats stored as `to`, a float dtype.
void encodeF32(const float *values, uint64_t count, plan::DType to, std::byte *out);

} // namespace ft::rt
