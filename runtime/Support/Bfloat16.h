// bf16 as bits: what has no type of the language.
#pragma once

#include <bit>
#include <cstdint>

namespace ft::rt {

/// Exact.
inline float bf16ToF32(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); }

/// To nearest, ties to even; overflow to infinity; NaN stays NaN, quiet.
inline uint16_t f32ToBf16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return uint16_t((bits & 0x7fffffff) > 0x7f800000 ? (bits >> 16) | 0x40 : rounded);
}

} // namespace ft::rt
