#include "runtime/Tokenizer/SentencePieceNormalizer.h"

#include "runtime/Tokenizer/Utf8.h"

namespace ft::rt {

namespace {
struct Prefix {
  std::string_view text; ///< what stands for it
  size_t length;         ///< bytes read
};

Prefix normalizePrefix(std::string_view text, const CharsMap &charsMap, const ByteTrie &fixed) {
  if (const size_t length = fixed.longest(text).length)
    return {text.substr(0, length), length};
  if (const auto rule = charsMap.longest(text))
    return {rule->by, rule->length};
  size_t length = 0;
  bool wellFormed;
  decodeUtf8(text, length, wellFormed);
  if (!wellFormed)
    return {"\uFFFD", 1};
  return {text.substr(0, length), length};
}
} // namespace

std::string normalizeSentencePiece(std::string_view text, const SentencePieceStep &step, const CharsMap &charsMap,
                                   const ByteTrie &fixed) {
  std::string out;
  if (step.removeExtraSpaces)
    while (!text.empty()) {
      const Prefix prefix = normalizePrefix(text, charsMap, fixed);
      if (prefix.text != " ")
        break;
      text.remove_prefix(prefix.length);
    }
  if (text.empty())
    return out;
  out.reserve(text.size() + text.size() / 2 + 8);
  const std::string_view space = step.escapeSpaces ? "\u2581" : " ";
  if (step.addDummyPrefix && !step.spaceAsSuffix)
    out += space;
  bool behindSpace = step.removeExtraSpaces;
  while (!text.empty()) {
    const Prefix prefix = normalizePrefix(text, charsMap, fixed);
    std::string_view piece = prefix.text;
    while (behindSpace && piece.starts_with(' '))
      piece.remove_prefix(1);
    for (char c : piece)
      if (c == ' ')
        out += space;
      else
        out += c;
    if (!piece.empty())
      behindSpace = piece.ends_with(' ');
    behindSpace &= step.removeExtraSpaces;
    text.remove_prefix(prefix.length);
  }
  if (step.removeExtraSpaces)
    while (out.ends_with(space))
      out.resize(out.size() - space.size());
  if (step.addDummyPrefix && step.spaceAsSuffix)
    out += space;
  return out;
}

} // namespace ft::rt
