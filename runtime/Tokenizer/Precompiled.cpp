#include "runtime/Tokenizer/Precompiled.h"

#include "runtime/Tokenizer/Utf8.h"

#include <utf8proc.h>

namespace ft::rt {

namespace {
/// The bytes of the extended grapheme cluster that `text` starts with.
size_t clusterLength(std::string_view text) {
  size_t at = 0;
  bool wellFormed;
  utf8proc_int32_t state = 0;
  char32_t before = decodeUtf8(text, at, wellFormed);
  while (at < text.size()) {
    size_t next = at;
    const char32_t c = decodeUtf8(text, next, wellFormed);
    if (utf8proc_grapheme_break_stateful(utf8proc_int32_t(before), utf8proc_int32_t(c), &state))
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
