#include "runtime/Weights/Dequantize.h"

#include "runtime/Weights/Convert.h"

#include <algorithm>
#include <cstring>

namespace ft::rt {

namespace {

constexpr uint64_t longestBlock = 256;

/// The exponent's bias is 8 less than f16's, of which these are the bits otherwise; all ones are NaN, not infinity.
float e4m3ToF32(uint8_t bits) {
  const uint8_t rest = bits & 0x7f;
  const auto half = uint16_t((bits & 0x80) << 8 | rest << 7);
  return rest == 0x7f ? f16ToF32(half | 0x7e00) : f16ToF32(half) * 256;
}

/// The upper half of an f16.
float e5m2ToF32(uint8_t bits) { return f16ToF32(uint16_t(bits << 8)); }

template <typename Stored, typename Widen>
void decodeElements(const std::byte *elements, uint64_t count, float *out, Widen widen) {
  for (uint64_t i = 0; i < count; ++i) {
    Stored bits;
    std::memcpy(&bits, elements + i * sizeof(Stored), sizeof(Stored));
    out[i] = widen(bits);
  }
}

void decodeBlocks(Encoding encoding, const std::byte *blocks, uint64_t first, uint64_t count, float *out) {
  const uint64_t elements = blockElements(encoding), bytes = blockBytes(encoding);
  const BlockDecoder decode = blockDecoder(encoding);
  auto *block = reinterpret_cast<const uint8_t *>(blocks) + first / elements * bytes;
  uint64_t skip = first % elements;
  while (count > 0) {
    const uint64_t n = std::min(elements - skip, count);
    if (n == elements) {
      decode(block, out);
    } else {
      float whole[longestBlock];
      decode(block, whole);
      std::copy_n(whole + skip, n, out);
    }
    skip = 0;
    out += n;
    count -= n;
    block += bytes;
  }
}

} // namespace

void decodeToF32(Encoding encoding, std::span<const std::byte> bytes, uint64_t first, uint64_t count, float *out) {
  const std::byte *elements = bytes.data() + first * blockBytes(encoding); // of those that are no blocks
  switch (encoding) {
  case Encoding::F32:
    std::memcpy(out, elements, count * 4);
    return;
  case Encoding::F16:
    return decodeElements<uint16_t>(elements, count, out, f16ToF32);
  case Encoding::BF16:
    return decodeElements<uint16_t>(elements, count, out, bf16ToF32);
  case Encoding::F8_E4M3:
    return decodeElements<uint8_t>(elements, count, out, e4m3ToF32);
  case Encoding::F8_E5M2:
    return decodeElements<uint8_t>(elements, count, out, e5m2ToF32);
  default:
    return decodeBlocks(encoding, bytes.data(), first, count, out);
  }
}

} // namespace ft::rt
