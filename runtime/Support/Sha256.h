// SHA-256 (FIPS 180-4): digests of plans, recipes and models, and the keys of Philox.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ft::rt {

using Sha256Digest = std::array<uint8_t, 32>;

/// Incremental SHA-256. Input in any pieces gives the digest of their concatenation.
class Sha256 {
public:
  Sha256();
  void update(std::span<const std::byte> bytes);
  void update(std::string_view text) { update(std::as_bytes(std::span(text))); }
  /// The digest of all input so far. The object is used up: no update or second finish may follow.
  Sha256Digest finish();

private:
  void compress(const uint8_t *block);

  std::array<uint32_t, 8> state;
  std::array<uint8_t, 64> pending;
  uint64_t totalBytes = 0;
};

Sha256Digest sha256(std::span<const std::byte> bytes);
Sha256Digest sha256(std::string_view text);

/// Lower-case hexadecimal, two digits a byte.
std::string toHex(std::span<const uint8_t> bytes);

} // namespace ft::rt
