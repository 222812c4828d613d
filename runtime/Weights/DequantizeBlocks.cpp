// ggml's blocks: ggml-common.h has their layouts, dequantize_row_* of ggml-quants.c the order of operations.
#include "runtime/Weights/Convert.h"
#include "runtime/Weights/Dequantize.h"

#include <cstring>

namespace ft::rt {

namespace {

float f16At(const uint8_t *p) {
  uint16_t bits;
  std::memcpy(&bits, p, 2);
  return f16ToF32(bits);
}

/// The values that IQ4's nibbles name.
constexpr int8_t iq4Values[] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/// d, i8 q[32].
void decodeQ8_0(const uint8_t *block, float *out) {
  const float d = f16At(block);
  for (int i = 0; i < 32; ++i)
    out[i] = float(int8_t(block[2 + i])) * d;
}

/// d, nibbles[16].
void decodeQ4_0(const uint8_t *block, float *out) {
  const float d = f16At(block);
  for (int i = 0; i < 16; ++i) {
    const int q = block[2 + i];
    out[i] = float((q & 15) - 8) * d;
    out[i + 16] = float((q >> 4) - 8) * d;
  }
}

/// d, m, nibbles[16].
void decodeQ4_1(const uint8_t *block, float *out) {
  const float d = f16At(block), m = f16At(block + 2);
  for (int i = 0; i < 16; ++i) {
    const int q = block[4 + i];
    out[i] = float(q & 15) * d + m;
    out[i + 16] = float(q >> 4) * d + m;
  }
}

/// The fifth bits of 32 elements, then their nibbles.
int fiveBits(const uint8_t *quants, int element) {
  uint32_t high;
  std::memcpy(&high, quants, 4);
  const int nibbles = quants[4 + element % 16];
  return (element < 16 ? nibbles & 15 : nibbles >> 4) | int(high >> element & 1) << 4;
}

/// d, u32 bits, nibbles[16].
void decodeQ5_0(const uint8_t *block, float *out) {
  const float d = f16At(block);
  for (int i = 0; i < 32; ++i)
    out[i] = float(fiveBits(block + 2, i) - 16) * d;
}

/// d, m, u32 bits, nibbles[16].
void decodeQ5_1(const uint8_t *block, float *out) {
  const float d = f16At(block), m = f16At(block + 2);
  for (int i = 0; i < 32; ++i)
    out[i] = float(fiveBits(block + 4, i)) * d + m;
}

/// d, nibbles[16].
void decodeIq4Nl(const uint8_t *block, float *out) {
  const float d = f16At(block);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * float(iq4Values[block[2 + i] & 15]);
    out[i + 16] = d * float(iq4Values[block[2 + i] >> 4]);
  }
}

/// u8 scales[16], a nibble of each for the offset; pairs of bits[64]; d, dmin.
void decodeQ2K(const uint8_t *block, float *out) {
  const uint8_t *scales = block, *quants = block + 16;
  const float d = f16At(block + 80), least = f16At(block + 82);
  for (int i = 0; i < 256; ++i) {
    const int q = quants[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
    const float scale = d * float(scales[i / 16] & 15), offset = least * float(scales[i / 16] >> 4);
    out[i] = scale * float(q) - offset;
  }
}

/// Third bits[32]; pairs of bits[64]; 16 scales of six bits in 12 bytes; d. Without its third bit an element is 4 less.
void decodeQ3K(const uint8_t *block, float *out) {
  const uint8_t *high = block, *quants = block + 32, *packed = block + 96;
  const float d = f16At(block + 108);
  for (int s = 0; s < 16; ++s) {
    const int low = s < 8 ? packed[s] & 15 : packed[s - 8] >> 4;
    const int scale = low | (packed[8 + s % 4] >> (s / 4 * 2) & 3) << 4;
    const float scaled = d * float(scale - 32);
    for (int i = s * 16; i < s * 16 + 16; ++i) {
      const int q = quants[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
      out[i] = scaled * float(q - (high[i % 32] >> (i / 32) & 1 ? 0 : 4));
    }
  }
}

/// Scale and offset of stretch `s` of eight, six bits each in 12 bytes.
void sixBitPair(const uint8_t *packed, int s, int &scale, int &offset) {
  if (s < 4) {
    scale = packed[s] & 63;
    offset = packed[s + 4] & 63;
    return;
  }
  scale = (packed[s + 4] & 15) | packed[s - 4] >> 6 << 4;
  offset = packed[s + 4] >> 4 | packed[s] >> 6 << 4;
}

/// d, dmin, scales[12], then of Q5_K fifth bits[32], then nibbles[128].
void decodeWithOffsets(const uint8_t *block, const uint8_t *fifth, const uint8_t *quants, float *out) {
  const float d = f16At(block), least = f16At(block + 2);
  for (int s = 0; s < 8; ++s) {
    int scale = 0, offset = 0;
    sixBitPair(block + 4, s, scale, offset);
    const float scaled = d * float(scale), below = least * float(offset);
    for (int i = 0; i < 32; ++i) {
      const int nibble = quants[s / 2 * 32 + i] >> (s % 2 * 4) & 15;
      const int q = nibble | (fifth ? (fifth[i] >> s & 1) << 4 : 0);
      out[s * 32 + i] = scaled * float(q) - below;
    }
  }
}
void decodeQ4K(const uint8_t *block, float *out) { decodeWithOffsets(block, nullptr, block + 16, out); }
void decodeQ5K(const uint8_t *block, float *out) { decodeWithOffsets(block, block + 16, block + 48, out); }

/// Nibbles[128], pairs of bits[64], i8 scales[16], d.
void decodeQ6K(const uint8_t *block, float *out) {
  const uint8_t *low = block, *high = block + 128, *scales = block + 192;
  const float d = f16At(block + 208);
  for (int s = 0; s < 16; ++s) {
    const float scaled = d * float(int8_t(scales[s]));
    for (int i = s * 16; i < s * 16 + 16; ++i) {
      const int half = i / 128, nibble = low[half * 64 + i % 64] >> (i % 128 / 64 * 4) & 15;
      out[i] = scaled * float((nibble | (high[half * 32 + i % 32] >> (i % 128 / 32 * 2) & 3) << 4) - 32);
    }
  }
}

/// d, upper pairs of bits of eight scales, their nibbles[4], nibbles[128].
void decodeIq4Xs(const uint8_t *block, float *out) {
  const float d = f16At(block);
  uint16_t high;
  std::memcpy(&high, block + 2, 2);
  for (int s = 0; s < 8; ++s) {
    const int scale = (block[4 + s / 2] >> (s % 2 * 4) & 15) | (high >> (2 * s) & 3) << 4;
    const float scaled = d * float(scale - 32);
    for (int i = 0; i < 16; ++i) {
      const int nibbles = block[8 + s * 16 + i];
      out[s * 32 + i] = scaled * float(iq4Values[nibbles & 15]);
      out[s * 32 + i + 16] = scaled * float(iq4Values[nibbles >> 4]);
    }
  }
}

} // namespace

BlockDecoder blockDecoder(Encoding encoding) {
  switch (encoding) {
  case Encoding::Q8_0:
    return decodeQ8_0;
  case Encoding::Q4_0:
    return decodeQ4_0;
  case Encoding::Q4_1:
    return decodeQ4_1;
  case Encoding::Q5_0:
    return decodeQ5_0;
  case Encoding::Q5_1:
    return decodeQ5_1;
  case Encoding::IQ4_NL:
    return decodeIq4Nl;
  case Encoding::Q2_K:
    return decodeQ2K;
  case Encoding::Q3_K:
    return decodeQ3K;
  case Encoding::Q4_K:
    return decodeQ4K;
  case Encoding::Q5_K:
    return decodeQ5K;
  case Encoding::Q6_K:
    return decodeQ6K;
  case Encoding::IQ4_XS:
    return decodeIq4Xs;
  default:
    return nullptr;
  }
}

} // namespace ft::rt
