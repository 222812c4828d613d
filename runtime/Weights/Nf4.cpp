#include "runtime/Weights/Nf4.h"

#include "runtime/Support/Clones.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

namespace ft::rt {

namespace {

using plan::nf4Block;
using plan::nf4NestedBlock;

/// Between neighbouring values; bitsandbytes' constants, which are not the exact midpoints.
constexpr float thresholds[15] = {
    -0.8480964004993439f,  -0.6106329262256622f,   -0.4599952697753906f, -0.33967943489551544f, -0.23460740596055984f,
    -0.13791173323988914f, -0.045525018125772476f, 0.03979014977812767f, 0.1202552504837513f,   0.2035212516784668f,
    0.2920137718319893f,   0.3893125355243683f,    0.5016634166240692f,  0.6427869200706482f,   0.8614784181118011f};

/// Of finite values the bits grow with the magnitude: integers have a maximum that becomes vector code.
FT_WIDE float quantizeBlock(const float *values, uint8_t *codes) {
  uint32_t largest = 0;
  for (uint64_t i = 0; i < nf4Block; ++i)
    largest = std::max(largest, std::bit_cast<uint32_t>(values[i]) & 0x7fffffff);
  const float scale = std::bit_cast<float>(largest);
  const float inverse = 1.0f / scale;
  uint32_t wide[nf4Block];
  for (uint64_t i = 0; i < nf4Block; ++i) {
    const float x = values[i] * inverse;
    uint32_t code = 0;
    for (float threshold : thresholds)
      code += x > threshold;
    wide[i] = code;
  }
  for (uint64_t i = 0; i < nf4Block / 2; ++i)
    codes[i] = uint8_t(wide[2 * i] << 4 | wide[2 * i + 1]);
  return scale;
}

/// The value nearest to x, by bitsandbytes' bisection: of two equally near the one on this side.
uint8_t nearest(std::span<const float> values, float x) {
  int pivot = 127, upper = 255, lower = 0;
  for (int step = 64; step > 0; step /= 2) {
    const bool above = x > values[size_t(pivot)];
    (above ? lower : upper) = pivot;
    pivot += above ? step : -step;
  }
  const float value = values[size_t(pivot)];
  if (x > value)
    return uint8_t(x > (values[size_t(upper)] + value) * 0.5f ? upper : pivot);
  return uint8_t(x < (values[size_t(lower)] + value) * 0.5f ? lower : pivot);
}

void put(std::byte *place, const void *bytes, uint64_t size) { std::memcpy(place, bytes, size); }

} // namespace

void nf4Quantize(std::span<const float> values, std::byte *codes, float *scales) {
  while (!values.empty()) {
    float rest[nf4Block] = {};
    const uint64_t count = std::min<uint64_t>(values.size(), nf4Block);
    if (count < nf4Block)
      std::copy_n(values.data(), count, rest);
    *scales++ = quantizeBlock(count < nf4Block ? rest : values.data(), reinterpret_cast<uint8_t *>(codes));
    for (uint64_t i = count; i < nf4Block; ++i)
      codes[i / 2] &= i % 2 ? std::byte(0xf0) : std::byte(0);
    values = values.subspan(count);
    codes += nf4Block / 2;
  }
}

void nf4NestedValues(std::span<float, plan::nf4NestedValues> values) {
  size_t next = 0;
  values[next++] = 0;
  values[next++] = 1;
  for (int e = 0; e < 7; ++e)
    for (int j = 0; j < 1 << e; ++j) {
      // Halves, tenths and powers of ten as one quotient of integers: rounded once, to f64, whose error never decides.
      const double numerator = double((1 << e) + 9 * j) + 4.5, denominator = double(1 << e) * std::pow(10.0, 7 - e);
      values[next++] = float(numerator / denominator);
      values[next++] = float(-numerator / denominator);
    }
  std::sort(values.begin(), values.end());
}

void nf4QuantizeScales(std::span<const float> scales, const plan::Nf4Layout &layout, std::byte *image) {
  double sum = 0;
  for (float scale : scales)
    sum += scale;
  const float mean = float(sum / double(scales.size()));
  std::array<float, plan::nf4NestedValues> values;
  nf4NestedValues(values);
  put(image + layout.mean, &mean, sizeof mean);
  put(image + layout.nestedValues, values.data(), sizeof values);
  for (uint64_t block = 0; block < layout.nestedBlocks; ++block) {
    const auto part = scales.subspan(block * nf4NestedBlock,
                                     std::min<uint64_t>(nf4NestedBlock, scales.size() - block * nf4NestedBlock));
    float largest = 0;
    for (float scale : part)
      largest = std::max(largest, std::fabs(scale - mean));
    const float inverse = 1.0f / largest;
    put(image + layout.nestedScales + block * sizeof largest, &largest, sizeof largest);
    for (uint64_t i = 0; i < part.size(); ++i)
      image[layout.scales + block * nf4NestedBlock + i] = std::byte(nearest(values, (part[i] - mean) * inverse));
  }
}

void nf4DequantizeScales(std::span<const std::byte> codes, std::span<const float> nestedScales,
                         std::span<const float, plan::nf4NestedValues> values, float mean, std::span<float> scales) {
  for (uint64_t i = 0; i < scales.size(); ++i)
    scales[i] = values[size_t(codes[i])] * nestedScales[i / nf4NestedBlock] + mean;
}

} // namespace ft::rt
