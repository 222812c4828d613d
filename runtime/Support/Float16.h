// f16 as bits: what has no type of the language.
#pragma once

#include <bit>
#include <cstdint>

namespace ft::rt {

/// Exact, subnormals included; the payload of a NaN is kept.
inline float f16ToF32(uint16_t bits) {
  uint32_t sign = uint32_t(bits & 0x8000) << 16, rest = bits & 0x7fff;
  // 2^112 moves the exponent from f16's bias to f32's and normalises subnormals; both factors and results are exact.
  float scaled = std::bit_cast<float>(rest << 13) * 0x1p112f;
  uint32_t magnitude = std::bit_cast<uint32_t>(scaled);
  uint32_t special = 0x7f800000u | (rest << 13);
  return std::bit_cast<float>(sign | (rest >= 0x7c00 ? special : magnitude));
}

/// To nearest, ties to even; overflow to infinity; NaN stays NaN, quiet.
inline uint16_t f32ToF16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint16_t sign = uint16_t((bits >> 16) & 0x8000);
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000)
    return uint16_t(sign | 0x7e00 | ((magnitude >> 13) & 0x3ff));
  if (magnitude >= 0x477ff000) // 65520 and above round to infinity
    return uint16_t(sign | 0x7c00);
  if (magnitude < 0x38800000) { // below 2^-14: adding 0.5 leaves the subnormal's bits, rounded, in the mantissa
    float aligned = std::bit_cast<float>(magnitude) + 0.5f;
    return uint16_t(sign | (std::bit_cast<uint32_t>(aligned) - 0x3f000000));
  }
  uint32_t rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);
  return uint16_t(sign | ((rounded - 0x38000000) >> 13));
}

} // namespace ft::rt
