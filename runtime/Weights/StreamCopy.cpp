#include "runtime/Weights/StreamCopy.h"

#include "runtime/Weights/Convert.h"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ft::rt {

namespace {

bool plainCopy(plan::DType dtype, const std::byte *from, uint64_t count, std::byte *to) {
  if (count)
    std::memcpy(to, from, count * dtypeBytes(dtype));
  return firstNotFinite(dtype, from, count) != count;
}

} // namespace

#if defined(__x86_64__)

namespace {

/// A number is not finite where `lanes & exponent == expected` in one of its lanes.
struct Pattern {
  uint64_t exponent, expected;
  bool halves; ///< lanes of 16 bits; else of 32
};

Pattern patternOf(plan::DType dtype) {
  switch (dtype) {
  case plan::BF16:
    return {0x7f807f807f807f80, 0x7f807f807f807f80, true};
  case plan::F16:
    return {0x7c007c007c007c00, 0x7c007c007c007c00, true};
  case plan::F32:
    return {0x7f8000007f800000, 0x7f8000007f800000, false};
  case plan::F64: // its lower half decides nothing: 0 is never 1
    return {0x7ff0000000000000, 0x7ff0000000000001, false};
  default:
    return {0, 0x0000000100000001, false};
  }
}

constexpr uint64_t lineBytes = 64;

/// Whole lines; `to` is aligned to one. `halves`: as in the pattern; `stays`: in the caches.
template <bool halves, bool stays>
bool copyLines(const Pattern &pattern, const std::byte *from, uint64_t lines, std::byte *to) {
  const __m128i exponent = _mm_set1_epi64x(int64_t(pattern.exponent)),
                expected = _mm_set1_epi64x(int64_t(pattern.expected));
  __m128i found = _mm_setzero_si128();
  for (uint64_t at = 0; at < lines * lineBytes; at += sizeof(__m128i)) {
    const __m128i value = _mm_loadu_si128(reinterpret_cast<const __m128i *>(from + at));
    const __m128i lanes = _mm_and_si128(value, exponent);
    stays ? _mm_store_si128(reinterpret_cast<__m128i *>(to + at), value)
          : _mm_stream_si128(reinterpret_cast<__m128i *>(to + at), value);
    found = _mm_or_si128(found, halves ? _mm_cmpeq_epi16(lanes, expected) : _mm_cmpeq_epi32(lanes, expected));
  }
  return _mm_movemask_epi8(found) != 0;
}

/// The same with wider registers, which is a tenth faster.
template <bool halves, bool stays>
__attribute__((target("avx2"))) bool copyLinesWide(const Pattern &pattern, const std::byte *from, uint64_t lines,
                                                   std::byte *to) {
  const __m256i exponent = _mm256_set1_epi64x(int64_t(pattern.exponent)),
                expected = _mm256_set1_epi64x(int64_t(pattern.expected));
  __m256i found = _mm256_setzero_si256();
  for (uint64_t at = 0; at < lines * lineBytes; at += 2 * sizeof(__m256i)) {
    const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(from + at));
    const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(from + at) + 1);
    auto *const line = reinterpret_cast<__m256i *>(to + at);
    stays ? _mm256_store_si256(line, low) : _mm256_stream_si256(line, low);
    stays ? _mm256_store_si256(line + 1, high) : _mm256_stream_si256(line + 1, high);
    const __m256i a = _mm256_and_si256(low, exponent), b = _mm256_and_si256(high, exponent);
    found = _mm256_or_si256(found,
                            halves ? _mm256_or_si256(_mm256_cmpeq_epi16(a, expected), _mm256_cmpeq_epi16(b, expected))
                                   : _mm256_or_si256(_mm256_cmpeq_epi32(a, expected), _mm256_cmpeq_epi32(b, expected)));
  }
  return _mm256_movemask_epi8(found) != 0;
}

template <bool halves, bool stays> auto copierOf() {
  static const auto copier = __builtin_cpu_supports("avx2") ? copyLinesWide<halves, stays> : copyLines<halves, stays>;
  return copier;
}

template <bool stays> bool checkedCopy(plan::DType dtype, const std::byte *from, uint64_t count, std::byte *to) {
  const uint64_t width = dtypeBytes(dtype), address = reinterpret_cast<uintptr_t>(to);
  const uint64_t head = (lineBytes - address % lineBytes) % lineBytes;
  if (head % width != 0 || head + lineBytes > count * width)
    return plainCopy(dtype, from, count, to);
  const uint64_t lines = (count * width - head) / lineBytes, done = head + lines * lineBytes;
  const Pattern pattern = patternOf(dtype);
  bool found = plainCopy(dtype, from, head / width, to);
  const auto copier = pattern.halves ? copierOf<true, stays>() : copierOf<false, stays>();
  found |= copier(pattern, from + head, lines, to + head);
  found |= plainCopy(dtype, from + done, count - done / width, to + done);
  if (!stays)
    _mm_sfence(); // whoever is told that they are there finds them there
  return found;
}

} // namespace

bool streamCopy(plan::DType dtype, const std::byte *from, uint64_t count, std::byte *to) {
  return checkedCopy</*stays=*/false>(dtype, from, count, to);
}

bool cachedCopy(plan::DType dtype, const std::byte *from, uint64_t count, std::byte *to) {
  return checkedCopy</*stays=*/true>(dtype, from, count, to);
}

#else

bool streamCopy(plan::DType dtype, const std::byte *from, uint64_t count, std::byte *to) {
  return plainCopy(dtype, from, count, to);
}

bool cachedCopy(plan::DType dtype, const std::byte *from, uint64_t count, std::byte *to) {
  return plainCopy(dtype, from, count, to);
}

#endif

} // namespace ft::rt
