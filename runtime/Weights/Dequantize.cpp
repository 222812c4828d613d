#include "runtime/Weights/Dequantize.h"

#include "runtime/Weights/Convert.h"

#include <algorithm>
#include <cstring>

namespace ft::rt {

namespace {

float f16At(const std::byte *p) {
  uint16_t bits;
  std::memcpy(&bits, p, 2);
  return f16ToF32(bits);
}

void decodeBlock(Encoding encoding, const std::byte *block, float *out) {
  float d = f16At(block);
  if (encoding == Encoding::Q8_0) {
    for (int i = 0; i < 32; ++i)
      out[i] = float(int8_t(block[2 + i])) * d;
    return;
  }
  if (encoding == Encoding::Q4_0) {
    for (int i = 0; i < 16; ++i) {
      int q = int(block[2 + i]);
      out[i] = float((q & 15) - 8) * d;
      out[i + 16] = float((q >> 4) - 8) * d;
    }
    return;
  }
  float m = f16At(block + 2);
  for (int i = 0; i < 16; ++i) {
    int q = int(block[4 + i]);
    out[i] = float(q & 15) * d + m;
    out[i + 16] = float(q >> 4) * d + m;
  }
}

void decodeBlocks(Encoding encoding, const std::byte *blocks, uint64_t first, uint64_t count, float *out) {
  uint64_t size = blockBytes(encoding);
  const std::byte *block = blocks + first / 32 * size;
  uint64_t skip = first % 32;
  while (count > 0) {
    uint64_t n = std::min<uint64_t>(32 - skip, count);
    if (n == 32) {
      decodeBlock(encoding, block, out);
    } else {
      float whole[32];
      decodeBlock(encoding, block, whole);
      std::copy_n(whole + skip, n, out);
    }
    skip = 0;
    out += n;
    count -= n;
    block += size;
  }
}

} // namespace

void decodeToF32(Encoding encoding, std::span<const std::byte> bytes, uint64_t first, uint64_t count, float *out) {
  if (encoding == Encoding::F32) {
    std::memcpy(out, bytes.data() + first * 4, count * 4);
  } else if (encoding == Encoding::F16 || encoding == Encoding::BF16) {
    const std::byte *p = bytes.data() + first * 2;
    for (uint64_t i = 0; i < count; ++i) {
      uint16_t bits;
      std::memcpy(&bits, p + i * 2, 2);
      out[i] = encoding == Encoding::BF16 ? bf16ToF32(bits) : f16ToF32(bits);
    }
  } else {
    decodeBlocks(encoding, bytes.data(), first, count, out);
  }
}

} // namespace ft::rt
