// Decoding of file encodings to f32, bit for bit as ggml's reference does it.
#pragma once

#include "runtime/Weights/TensorView.h"

namespace ft::rt {

/// Elements [first, first + count) of a tensor of `encoding` (F32, F16, BF16, Q8_0, Q4_0 or Q4_1) whose first block
/// is at the start of `bytes`. `first` need not be a block's start. Blocks of 32 elements, f16 scale d first:
///   Q8_0  d, i8 q[32]               q·d
///   Q4_0  d, u8 q[16]               (nibble − 8)·d; low nibbles are elements 0..15, high ones 16..31
///   Q4_1  d, f16 m, u8 q[16]        nibble·d + m, product and sum rounded apart
void decodeToF32(Encoding encoding, std::span<const std::byte> bytes, uint64_t first, uint64_t count, float *out);

} // namespace ft::rt
