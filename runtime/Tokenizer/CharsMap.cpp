#include "runtime/Tokenizer/CharsMap.h"

#include <cstring>
#include <fmt/format.h>

namespace ft::rt {

namespace {
// A unit of darts-clone: bits 0–7 label, 8 whether a leaf follows, 9 scale of the offset, 10–30 offset, 31 leaf.
constexpr uint32_t LeafBit = 1u << 31;
constexpr uint32_t labelOf(uint32_t unit) { return unit & (LeafBit | 0xFF); }
constexpr uint32_t offsetOf(uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); }
constexpr bool hasLeaf(uint32_t unit) { return unit >> 8 & 1; }
constexpr uint32_t valueOf(uint32_t unit) { return unit & (LeafBit - 1); }
} // namespace

Expected<CharsMap> CharsMap::read(std::string_view blob) {
  CharsMap result;
  if (blob.empty())
    return result;
  uint32_t arrayBytes = 0;
  if (blob.size() > sizeof arrayBytes)
    std::memcpy(&arrayBytes, blob.data(), sizeof arrayBytes);
  if (arrayBytes == 0 || arrayBytes % 4 != 0 || arrayBytes >= blob.size() - sizeof arrayBytes)
    return badInput(fmt::format("precompiled_charsmap of {} bytes claims an array of {}; must be a multiple of 4 above "
                                "0 that leaves room for the replacements",
                                blob.size(), arrayBytes));
  result.units.resize(arrayBytes / 4);
  std::memcpy(result.units.data(), blob.data() + sizeof arrayBytes, arrayBytes);
  result.pool = blob.substr(sizeof arrayBytes + arrayBytes);
  if (result.pool.back() != '\0')
    return badInput("precompiled_charsmap does not end with a zero byte");
  return result;
}

/// Calls found(rule) for each rule that `text` starts with, the shortest first, until it says false.
template <typename Found> void CharsMap::forEachPrefix(std::string_view text, Found found) const {
  if (units.empty())
    return;
  size_t node = offsetOf(units[0]);
  for (size_t at = 0; at < text.size(); ++at) {
    const auto byte = uint8_t(text[at]);
    node ^= byte;
    if (node >= units.size() || labelOf(units[node]) != byte)
      return;
    const uint32_t unit = units[node];
    node ^= offsetOf(unit);
    if (!hasLeaf(unit))
      continue;
    const uint32_t value = node < units.size() ? valueOf(units[node]) : UINT32_MAX;
    if (value < pool.size() && !found(Rule{at + 1, pool.c_str() + value}))
      return;
  }
}

std::optional<CharsMap::Rule> CharsMap::longest(std::string_view text) const {
  std::optional<Rule> best;
  forEachPrefix(text, [&](const Rule &rule) {
    best = rule;
    return true;
  });
  return best;
}

std::optional<CharsMap::Rule> CharsMap::shortest(std::string_view text) const {
  std::optional<Rule> best;
  forEachPrefix(text, [&](const Rule &rule) {
    best = rule;
    return false;
  });
  return best;
}

} // namespace ft::rt
