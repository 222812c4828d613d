// FP8 as frozen weights, rows of activations and their gradients have it (plan.proto, Quantization): E4M3 codes without
// infinities, and a scale for each row. Host, row programs and tests follow this one definition.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

namespace ft::plan {

/// Of Plan.features: there are tensors or products of type F8E4M3.
inline constexpr std::string_view fp8Feature = "fp8";

/// The largest magnitude, and the codes of it and of what is no number; the sign is bit 7.
inline constexpr float e4m3Largest = 448;
inline constexpr uint32_t e4m3LargestCode = 0x7e, e4m3NoNumber = 0x7f;
/// The least scale: its inverse is finite. Only rows whose largest magnitude is below 5.3e-36 have it.
inline constexpr float fp8LeastScale = 0x1p-126f;
/// What products of codes take: rows of whole vectors of 16 bytes, in all dimensions that are contiguous somewhere.
inline constexpr uint64_t fp8Multiple = 16;

/// What a code stands for.
inline float e4m3Value(uint8_t code) {
  const uint32_t exponent = code >> 3 & 15, mantissa = code & 7, sign = uint32_t(code & 0x80) << 24;
  if ((code & 0x7f) == e4m3NoNumber)
    return std::bit_cast<float>(sign | 0x7fc00000u);
  if (exponent == 0)
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(float(mantissa) * 0x1p-9f));
  return std::bit_cast<float>(sign | (exponent + 120) << 23 | mantissa << 20);
}

/// The nearest code, the even one of two, at most the largest.
inline uint8_t e4m3Code(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value), magnitude = bits & 0x7fffffffu;
  uint32_t code;
  if (magnitude > 0x7f800000u)
    code = e4m3NoNumber;
  else if (magnitude >= std::bit_cast<uint32_t>(e4m3Largest))
    code = e4m3LargestCode;
  else if (magnitude < std::bit_cast<uint32_t>(0x1p-6f)) // the sum's last bit is worth 2^-9, as a code's
    code = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0x1p14f) - std::bit_cast<uint32_t>(0x1p14f);
  else
    code = ((magnitude + 0x7ffffu + (magnitude >> 20 & 1)) >> 20) - (120u << 3);
  return static_cast<uint8_t>(code | (bits >> 24 & 0x80));
}

/// The scale of a row whose largest magnitude this is; its codes are e4m3Code(value · (1 / scale)).
inline float fp8Scale(float largest) {
  const float scale = largest / e4m3Largest;
  return largest == 0 ? 1 : scale < fp8LeastScale ? fp8LeastScale : scale;
}

} // namespace ft::plan
