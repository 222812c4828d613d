// Numbers to NF4 and back, by the rules of bitsandbytes' CUDA kernels, every operation in f32 and rounded as IEEE says.
#pragma once

#include "runtime/Plan/Nf4.h"

#include <cstddef>
#include <span>

namespace ft::rt {

/// The code of each element, two a byte and the first in the high half, and the scale of each block of 64, which is its
/// largest magnitude. The code is that of x · (1 / scale), where the product lies between the midpoints of neighbouring
/// values; a midpoint itself takes the lower one, and what is no number (0 · ∞, in a block of zeros) code 0. `values`
/// are finite and begin with a block; codes of a block that is not whole are 0 behind its end.
void nf4Quantize(std::span<const float> values, std::byte *codes, float *scales);

/// The 256 values that quantised scales stand for, rising: 0, 1, and ±10^(e−6) · (0.1 + 0.9·(j + ½) / 2^e) for j in
/// [0, 2^e), e in [0, 7), each rounded once. bitsandbytes computes them in f32, and its builds differ in the last bit.
void nf4NestedValues(std::span<float, plan::nf4NestedValues> values);

/// Writes all but the codes of a tensor with quantised scales at `image`, its first byte: the mean, summed in order in
/// f64, is taken off, and the differences are quantised in blocks of 256 to the nearest of the values, as above.
void nf4QuantizeScales(std::span<const float> scales, const plan::Nf4Layout &layout, std::byte *image);

/// value · scale of scales + mean, of every block.
void nf4DequantizeScales(std::span<const std::byte> codes, std::span<const float> nestedScales,
                         std::span<const float, plan::nf4NestedValues> values, float mean, std::span<float> scales);

} // namespace ft::rt
