// Remembers the tokens of pieces that come often.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ft::rt {

/// One piece for each of 2¹⁴ places, the latest one: words of a language follow Zipf's law, so that the frequent ones
/// are nearly always there. For one thread, and for one tokenizer alone.
class PieceCache {
public:
  PieceCache() : entries(Places) {}

  /// Appends the tokens of `piece` and says true where it is known.
  bool find(std::string_view piece, std::vector<uint32_t> &ids) const {
    if (piece.size() > MaxBytes)
      return false;
    const Entry &entry = entries[placeOf(piece)];
    if (entry.bytes != piece.size() || std::memcmp(entry.text.data(), piece.data(), piece.size()))
      return false;
    ids.insert(ids.end(), entry.ids.begin(), entry.ids.begin() + entry.count);
    return true;
  }
  /// Pieces and tokens that are too many to keep are passed over.
  void insert(std::string_view piece, std::span<const uint32_t> ids) {
    if (piece.size() > MaxBytes || ids.size() > MaxTokens)
      return;
    Entry &entry = entries[placeOf(piece)];
    entry.bytes = uint8_t(piece.size());
    entry.count = uint8_t(ids.size());
    std::memcpy(entry.text.data(), piece.data(), piece.size());
    std::copy(ids.begin(), ids.end(), entry.ids.begin());
  }

private:
  static constexpr size_t Places = size_t(1) << 14, MaxBytes = 38, MaxTokens = 6;
  struct Entry {
    uint8_t bytes = 0, count = 0; ///< no piece has 0 bytes
    std::array<char, MaxBytes> text;
    std::array<uint32_t, MaxTokens> ids;
  };
  static size_t placeOf(std::string_view piece) { return XXH3_64bits(piece.data(), piece.size()) & (Places - 1); }

  std::vector<Entry> entries; ///< 64 bytes each: 1 MiB
};

} // namespace ft::rt
