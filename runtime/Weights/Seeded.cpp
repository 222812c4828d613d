#include "runtime/Weights/Seeded.h"

#include "runtime/Support/Clones.h"
#include "runtime/Support/Philox.h"
#include "runtime/Weights/Convert.h"

#include <cmath>
#include <cstring>

namespace ft::rt {

namespace {

/// Blocks computed at a time: structure of arrays, so that loops become vector code.
constexpr int lanes = 256;
struct Words {
  uint32_t w[4][lanes];
};

FT_WIDE void drawWords(uint64_t firstBlock, PhiloxKey key, Words &words) {
  for (int i = 0; i < lanes; ++i) {
    uint64_t block = firstBlock + uint64_t(i);
    uint32_t c0 = uint32_t(block), c1 = uint32_t(block >> 32), c2 = 0, c3 = 0, k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; ++round) {
      uint64_t p0 = uint64_t(0xD2511F53u) * c0, p1 = uint64_t(0xCD9E8D57u) * c2;
      c0 = uint32_t(p1 >> 32) ^ c1 ^ k0;
      c2 = uint32_t(p0 >> 32) ^ c3 ^ k1;
      c1 = uint32_t(p1);
      c3 = uint32_t(p0);
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    words.w[0][i] = c0;
    words.w[1][i] = c1;
    words.w[2][i] = c2;
    words.w[3][i] = c3;
  }
}

/// ln(x) for x in [2⁻²⁴, 1]: x = m·2^e with m in [√½, √2), then a degree 8 polynomial in m − 1 (Cephes logf).
inline float logOf(float x) {
  uint32_t bits = std::bit_cast<uint32_t>(x) - 0x3f3504f3u; // √½: splits the exponent there
  int32_t exponent = int32_t(bits) >> 23;
  float f = std::bit_cast<float>((bits & 0x7fffffu) + 0x3f3504f3u) - 1.0f;
  float p = 7.0376836292e-2f;
  p = p * f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  float square = f * f, e = float(exponent);
  float tail = p * f * square + e * -2.12194440e-4f - 0.5f * square;
  return f + tail + e * 0.693359375f;
}

/// Box-Muller of two words; see Seeded.h. sin and cos are Cephes' polynomials on [−π/4, π/4).
inline void normalPair(uint32_t first, uint32_t second, float scale, float &cosine, float &sine) {
  float radius = std::sqrt(-2.0f * logOf(float(int32_t((first >> 8) + 1)) * 0x1p-24f)) * scale;
  uint32_t angle = second >> 8, quarter = angle >> 22;
  float x = float(int32_t(angle & 0x3fffffu) - 0x200000) * 0x1p-22f * 1.57079632679f;
  float z = x * x;
  float s = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * x + x;
  float c = ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z - 0.5f * z + 1.0f;
  float x0 = quarter & 1 ? s : c, y0 = quarter & 1 ? c : s;
  // Quarter turns: (c, s), (−s, c), (−c, −s), (s, −c).
  uint32_t flipCosine = ((quarter + 1) & 2) << 30, flipSine = (quarter & 2) << 30;
  cosine = radius * std::bit_cast<float>(std::bit_cast<uint32_t>(x0) ^ flipCosine);
  sine = radius * std::bit_cast<float>(std::bit_cast<uint32_t>(y0) ^ flipSine);
}

FT_WIDE void makeNormal(const Words &words, float scale, float *out) {
  for (int i = 0; i < lanes; ++i) {
    normalPair(words.w[0][i], words.w[1][i], scale, out[4 * i], out[4 * i + 1]);
    normalPair(words.w[2][i], words.w[3][i], scale, out[4 * i + 2], out[4 * i + 3]);
  }
}

FT_WIDE void makeUniform(const Words &words, float scale, float *out) {
  for (int i = 0; i < lanes; ++i)
    for (int k = 0; k < 4; ++k)
      out[4 * i + k] = scale * (float(int32_t(2 * (words.w[k][i] >> 8) + 1) - (1 << 24)) * 0x1p-24f);
}

void makeConstant(float value, uint64_t count, plan::DType dtype, std::byte *out) {
  float values[256];
  std::fill_n(values, 256, value);
  for (uint64_t done = 0; done < count; done += 256)
    encodeF32(values, std::min<uint64_t>(256, count - done), dtype, out + done * dtypeBytes(dtype));
}

} // namespace

void seededElements(plan::Init::Kind kind, double scale, uint64_t seed, std::string_view key, uint64_t first,
                    uint64_t count, plan::DType dtype, std::byte *out) {
  if (kind == plan::Init::ZEROS || kind == plan::Init::ONES)
    return makeConstant(kind == plan::Init::ONES ? 1.0f : 0.0f, count, dtype, out);
  PhiloxKey philox = philoxKey(seed, "init", key);
  Words words;
  float values[4 * lanes];
  uint64_t block = first / 4, skip = first % 4, bytes = dtypeBytes(dtype);
  while (count > 0) {
    drawWords(block, philox, words);
    if (kind == plan::Init::NORMAL)
      makeNormal(words, float(scale), values);
    else
      makeUniform(words, float(scale), values);
    uint64_t n = std::min<uint64_t>(4 * lanes - skip, count);
    encodeF32(values + skip, n, dtype, out);
    out += n * bytes;
    count -= n;
    block += lanes;
    skip = 0;
  }
}

} // namespace ft::rt
