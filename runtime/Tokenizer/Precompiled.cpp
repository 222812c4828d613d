#include "runtime/Tokenizer/Precompiled.h"

#include "runtime/Tokenizer/Utf8.h"

#include <utf8proc.h>
#include <utility>

namespace ft::rt {

namespace {
/// Marks of Unicode 16 and 17, which `tokenizers` knows and utf8proc does not.
constexpr std::pair<char32_t, char32_t> NewMarks[] = {
    {0x897, 0x897},     {0x1ACF, 0x1ADD},   {0x1AE0, 0x1AEB},   {0x10D69, 0x10D6D}, {0x10EFA, 0x10EFC},
    {0x113B8, 0x113C0}, {0x113C2, 0x113C2}, {0x113C5, 0x113C5}, {0x113C7, 0x113CA}, {0x113CC, 0x113D0},
    {0x113D2, 0x113D2}, {0x113E1, 0x113E2}, {0x11B60, 0x11B67}, {0x11F5A, 0x11F5A}, {0x1611E, 0x1612F},
    {0x1E5EE, 0x1E5EF}, {0x1E6E3, 0x1E6E3}, {0x1E6E6, 0x1E6E6}, {0x1E6EE, 0x1E6EF}, {0x1E6F5, 0x1E6F5}};

/// `c`, or for a new mark one that utf8proc treats as it should the other.
utf8proc_int32_t known(char32_t c) {
  for (const auto &[first, last] : NewMarks)
    if (c >= first && c <= last)
      return 0x301;
  return utf8proc_int32_t(c);
}

/// The bytes of the extended grapheme cluster that `text` starts with.
size_t clusterLength(std::string_view text) {
  size_t at = 0;
  bool wellFormed;
  utf8proc_int32_t state = 0;
  utf8proc_int32_t before = known(decodeUtf8(text, at, wellFormed));
  while (at < text.size()) {
    size_t next = at;
    const utf8proc_int32_t c = known(decodeUtf8(text, next, wellFormed));
    if (utf8proc_grapheme_break_stateful(before, c, &state))
      break;
    before = c;
    at = next;
  }
  return at;
}
} // namespace

std::string normalizePrecompiled(std::string_view text, const CharsMap &charsMap) {
  constexpr size_t longCluster = 6;
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::string_view cluster = text.substr(0, clusterLength(text));
    text.remove_prefix(cluster.size());
    if (cluster.size() < longCluster)
      if (const auto rule = charsMap.shortest(cluster)) {
        out += rule->by;
        continue;
      }
    for (size_t at = 0; at < cluster.size();) {
      const size_t begin = at;
      bool wellFormed;
      decodeUtf8(cluster, at, wellFormed);
      const std::string_view character = cluster.substr(begin, at - begin);
      const auto rule = charsMap.shortest(character);
      out += rule ? rule->by : character;
    }
  }
  return out;
}

} // namespace ft::rt
