#include "runtime/Device/Cpu/WidePanels.h"

#include <algorithm>
#include <array>
#include <immintrin.h>
#include <utility>

using namespace ft::rt::wide;

#define FT_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))

namespace {
constexpr int64_t lanes = 16;

constexpr int64_t turned = 2 * lanes; // k that turn() takes

constexpr int64_t ceilToTile(int64_t columns) { return (columns + tileColumns - 1) / tileColumns * tileColumns; }

FT_AVX512 inline __mmask16 firstLanes(int64_t count) {
  return static_cast<__mmask16>(count >= lanes ? 0xffff : (1u << std::max<int64_t>(0, count)) - 1);
}

FT_AVX512 inline __m512 widen(__m256i bits) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

/// To nearest, ties to even; a NaN stays one.
FT_AVX512 inline __m256i narrow(__m512 values) {
  const __m512i bits = _mm512_castps_si512(values), upper = _mm512_srli_epi32(bits, 16);
  const __m512i odd = _mm512_and_si512(upper, _mm512_set1_epi32(1));
  const __m512i rounded =
      _mm512_srli_epi32(_mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd), 16);
  const __mmask16 noNumber = _mm512_cmp_ps_mask(values, values, _CMP_UNORD_Q);
  return _mm512_cvtepi32_epi16(_mm512_mask_or_epi32(rounded, noNumber, upper, _mm512_set1_epi32(0x40)));
}

/// Transposes 16 × 16 numbers of 32 bits.
FT_AVX512 inline void transpose(__m512i (&rows)[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  for (int i = 0; i < 16; i += 4)
    for (int j = 0; j < 2; ++j) {
      rows[i + 2 * j] = _mm512_unpacklo_epi64(t[i + j], t[i + j + 2]);
      rows[i + 2 * j + 1] = _mm512_unpackhi_epi64(t[i + j], t[i + j + 2]);
    }
  // rows[4 g + c]: of rows 4 g to 4 g + 3, columns c, c + 4, c + 8, c + 12.
  for (int c = 0; c < 4; ++c) {
    const __m512i low = _mm512_shuffle_i32x4(rows[c], rows[4 + c], 0x88);
    const __m512i high = _mm512_shuffle_i32x4(rows[8 + c], rows[12 + c], 0x88);
    const __m512i lowOdd = _mm512_shuffle_i32x4(rows[c], rows[4 + c], 0xdd);
    const __m512i highOdd = _mm512_shuffle_i32x4(rows[8 + c], rows[12 + c], 0xdd);
    t[c] = _mm512_shuffle_i32x4(low, high, 0x88);
    t[8 + c] = _mm512_shuffle_i32x4(low, high, 0xdd);
    t[4 + c] = _mm512_shuffle_i32x4(lowOdd, highOdd, 0x88);
    t[12 + c] = _mm512_shuffle_i32x4(lowOdd, highOdd, 0xdd);
  }
  for (int i = 0; i < 16; ++i)
    rows[i] = t[i];
}

/// strip[k][0 to 15] = element k of each of up to 16 vectors, widened behind the transposition of pairs; `turned` k at
/// most.
FT_AVX512 void turn(const uint16_t *data, int64_t pitch, int64_t vectors, int64_t depth, float *strip,
                    int64_t stripPitch) {
  const auto mask = static_cast<__mmask32>(depth >= 32 ? ~0u : (1u << depth) - 1);
  __m512i rows[16];
  for (int64_t i = 0; i < lanes; ++i)
    rows[i] = i < vectors ? _mm512_maskz_loadu_epi16(mask, data + i * pitch) : _mm512_setzero_si512();
  transpose(rows);
  for (int64_t i = 0; 2 * i < depth; ++i) {
    _mm512_storeu_ps(strip + 2 * i * stripPitch, _mm512_castsi512_ps(_mm512_slli_epi32(rows[i], 16)));
    if (2 * i + 1 < depth)
      _mm512_storeu_ps(strip + (2 * i + 1) * stripPitch,
                       _mm512_castsi512_ps(_mm512_and_si512(rows[i], _mm512_set1_epi32(int(0xffff0000u)))));
  }
}

FT_AVX512 void widenRun(const uint16_t *data, int64_t count, float *out) {
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    _mm512_storeu_ps(out + i, widen(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(data + i))));
  if (i < count) {
    const __mmask16 mask = firstLanes(count - i);
    _mm512_mask_storeu_ps(out + i, mask, widen(_mm256_maskz_loadu_epi16(mask, data + i)));
  }
}

/// Strips of B that lies along k. The next rows are fetched meanwhile: so many short streams teach the processor's own
/// prefetcher nothing.
void turnColumns(const uint16_t *data, int64_t pitch, int64_t columns, int64_t depth, float *panel) {
  for (int64_t c = 0; c < ceilToTile(columns); c += lanes) {
    float *strip = panel + c / tileColumns * depth * tileColumns + c % tileColumns;
    const int64_t vectors = std::clamp<int64_t>(columns - c, 0, lanes);
    const int64_t ahead = std::clamp<int64_t>(columns - c - lanes, 0, lanes);
    for (int64_t k = 0; k < depth; k += turned) {
      for (int64_t i = 0; i < ahead; ++i)
        __builtin_prefetch(data + (c + lanes + i) * pitch + k);
      turn(data + c * pitch + k, pitch, vectors, std::min(turned, depth - k), strip + k * tileColumns, tileColumns);
    }
  }
}

FT_AVX512 inline void finish(__m512 sum, void *d, int64_t index, __mmask16 mask, const Target &target) {
  sum = _mm512_mul_ps(_mm512_set1_ps(target.alpha), sum);
  if (target.bf16) {
    uint16_t *out = static_cast<uint16_t *>(d) + index;
    if (target.add)
      sum = _mm512_add_ps(sum, widen(_mm256_maskz_loadu_epi16(mask, out)));
    _mm256_mask_storeu_epi16(out, mask, narrow(sum));
  } else {
    float *out = static_cast<float *>(d) + index;
    if (target.add)
      sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, out));
    _mm512_mask_storeu_ps(out, mask, sum);
  }
}

/// Rows is a constant, so that all sums stay in registers.
template <int Rows> FT_AVX512 void multiplyRows(const float *a, const float *b, int64_t depth, const Target &target) {
  __m512 low[Rows], high[Rows];
  for (int r = 0; r < Rows; ++r)
    low[r] = high[r] = _mm512_setzero_ps();
  for (int64_t k = 0; k < depth; ++k) {
    const __m512 left = _mm512_loadu_ps(b + k * tileColumns), right = _mm512_loadu_ps(b + k * tileColumns + lanes);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
      const __m512 factor = _mm512_set1_ps(a[r * rowPitch + k]);
      low[r] = _mm512_fmadd_ps(factor, left, low[r]);
      high[r] = _mm512_fmadd_ps(factor, right, high[r]);
    }
  }
  const __mmask16 lowMask = firstLanes(target.columns), highMask = firstLanes(target.columns - lanes);
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r) {
    float *sums = target.sums + r * target.sumsPitch;
    if (!target.first) {
      low[r] = _mm512_add_ps(_mm512_loadu_ps(sums), low[r]);
      high[r] = _mm512_add_ps(_mm512_loadu_ps(sums + lanes), high[r]);
    }
    if (!target.last) {
      _mm512_storeu_ps(sums, low[r]);
      _mm512_storeu_ps(sums + lanes, high[r]);
      continue;
    }
    finish(low[r], target.d, r * target.pitch, lowMask, target);
    if (highMask)
      finish(high[r], target.d, r * target.pitch + lanes, highMask, target);
  }
}

using Multiply = void (*)(const float *, const float *, int64_t, const Target &);
template <size_t... Index> constexpr auto multiplies(std::index_sequence<Index...>) {
  return std::array<Multiply, sizeof...(Index)>{multiplyRows<int(Index) + 1>...};
}
constexpr std::array<Multiply, tileRows> byRows = multiplies(std::make_index_sequence<tileRows>());
} // namespace

void ft::rt::wide::packRows(const Operand &a, int64_t first, int64_t rows, int64_t from, int64_t depth, float *panel) {
  if (a.depthFastest) {
    for (int64_t r = 0; r < rows; ++r)
      widenRun(a.data + (first + r) * a.pitch + from, depth, panel + r * rowPitch);
    return;
  }
  // Rows run fastest: they are what turn() takes for k.
  for (int64_t k = 0; k < depth; k += lanes)
    for (int64_t r = 0; r < rows; r += turned)
      turn(a.data + (from + k) * a.pitch + first + r, a.pitch, std::min(lanes, depth - k), std::min(turned, rows - r),
           panel + r * rowPitch + k, rowPitch);
}

void ft::rt::wide::packColumns(const Operand &b, int64_t first, int64_t columns, int64_t from, int64_t depth,
                               float *panel) {
  if (b.depthFastest)
    return turnColumns(b.data + first * b.pitch + from, b.pitch, columns, depth, panel);
  for (int64_t k = 0; k < depth; ++k)
    for (int64_t c = 0; c < columns; c += tileColumns) {
      float *strip = panel + (c * depth + k * tileColumns);
      const int64_t count = std::min(tileColumns, columns - c);
      widenRun(b.data + (from + k) * b.pitch + first + c, count, strip);
      std::fill(strip + count, strip + tileColumns, 0.0f);
    }
}

void ft::rt::wide::multiplyTile(const float *a, const float *b, int64_t rows, int64_t depth, const Target &target) {
  byRows[static_cast<size_t>(rows - 1)](a, b, depth, target);
}
