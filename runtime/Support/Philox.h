// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11): the only source of
// randomness. A draw is a pure function of (key, counter), so it does not depend on rank, fusion or thread count.
#pragma once

#include "runtime/Support/Sha256.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>

namespace ft::rt {

using PhiloxKey = std::array<uint32_t, 2>;
using PhiloxCounter = std::array<uint32_t, 4>;
using PhiloxBlock = std::array<uint32_t, 4>;

/// Four independent uniform 32-bit words.
constexpr PhiloxBlock philox4x32(PhiloxCounter counter, PhiloxKey key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t(0xD2511F53u) * counter[0];
    const uint64_t p1 = uint64_t(0xCD9E8D57u) * counter[2];
    counter = {uint32_t(p1 >> 32) ^ counter[1] ^ key[0], uint32_t(p1), uint32_t(p0 >> 32) ^ counter[3] ^ key[1],
               uint32_t(p0)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

/// The key of stream `stream` ("init", "dropout", "data", "sampling") for the object `name`: the first 8 bytes, as a
/// little-endian u64, of SHA-256(seed as u64 little-endian ‖ stream ‖ 0x00 ‖ name).
inline uint64_t philoxKey64(uint64_t seed, std::string_view stream, std::string_view name) {
  Sha256 hash;
  std::array<std::byte, 8> seedBytes;
  for (int i = 0; i < 8; ++i)
    seedBytes[i] = std::byte(seed >> (8 * i));
  hash.update(seedBytes);
  hash.update(stream);
  hash.update(std::string_view("\0", 1));
  hash.update(name);
  const Sha256Digest digest = hash.finish();
  uint64_t key = 0;
  for (int i = 0; i < 8; ++i)
    key |= uint64_t(digest[i]) << (8 * i);
  return key;
}

/// A 64-bit key as Philox takes it: low word first.
constexpr PhiloxKey splitKey(uint64_t key) { return {uint32_t(key), uint32_t(key >> 32)}; }

inline PhiloxKey philoxKey(uint64_t seed, std::string_view stream, std::string_view name) {
  return splitKey(philoxKey64(seed, stream, name));
}

/// A word as a number in (0, 1]: (word + 1) · 2⁻³², exact in double. Never 0, so that its logarithm is finite.
constexpr double philoxUniform(uint32_t word) { return (double(word) + 1.0) * 0x1p-32; }

/// Two independent draws from N(0, 1) out of two words (Box-Muller, in double).
inline std::array<double, 2> philoxNormal(uint32_t word0, uint32_t word1) {
  const double radius = std::sqrt(-2.0 * std::log(philoxUniform(word0)));
  const double angle = 2.0 * std::numbers::pi * philoxUniform(word1);
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

/// Four draws from N(0, 1): words (0, 1) make the first two, (2, 3) the others.
inline std::array<double, 4> philoxNormals(const PhiloxBlock &block) {
  const auto a = philoxNormal(block[0], block[1]);
  const auto b = philoxNormal(block[2], block[3]);
  return {a[0], a[1], b[0], b[1]};
}

} // namespace ft::rt
