// Decoding of file encodings to f32, bit for bit as ggml's reference does it.
#pragma once

#include "runtime/Weights/TensorView.h"

namespace ft::rt {

/// Elements [first, first + count) of a tensor of `encoding` (any of floats or blocks but F64) whose first block is at
/// the start of `bytes`. `first` need not be a block's start. An element of a block is its small integer times a scale,
/// and where the encoding has one, plus or minus an offset; each product and sum is rounded to f32 apart.
void decodeToF32(Encoding encoding, std::span<const std::byte> bytes, uint64_t first, uint64_t count, float *out);

/// One block of a quantised encoding, blockBytes() long, to its blockElements() values.
using BlockDecoder = void (*)(const uint8_t *block, float *out);
/// Null where the encoding is not one of blocks.
BlockDecoder blockDecoder(Encoding encoding);

} // namespace ft::rt
