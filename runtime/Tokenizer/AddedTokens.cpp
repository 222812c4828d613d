#include "runtime/Tokenizer/AddedTokens.h"

#include "runtime/Tokenizer/UnicodeClasses.h"
#include "runtime/Tokenizer/Utf8.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt {

namespace {
/// The offset of the character in front of `end`, which is above 0.
size_t lastCharacter(std::string_view text, size_t end) {
  do
    --end;
  while (end > 0 && (uint8_t(text[end]) & 0xC0) == 0x80);
  return end;
}

char32_t characterAt(std::string_view text, size_t at) {
  bool wellFormed;
  return decodeUtf8(text, at, wellFormed);
}

/// Where the white space in front of `end` begins, not below `floor`.
size_t spaceBefore(std::string_view text, size_t end, size_t floor) {
  while (end > floor) {
    const size_t last = lastCharacter(text, end);
    if (!isSpace(characterAt(text, last)))
      break;
    end = last;
  }
  return std::max(end, floor);
}

size_t spaceBehind(std::string_view text, size_t begin) {
  while (begin < text.size()) {
    size_t next = begin;
    bool wellFormed;
    if (!isSpace(decodeUtf8(text, next, wellFormed)))
      break;
    begin = next;
  }
  return begin;
}
} // namespace

Expected<AddedTokens> AddedTokens::create(std::span<const AddedToken> tokens, std::span<const std::string> texts) {
  AddedTokens result;
  result.tokens.assign(tokens.begin(), tokens.end());
  for (uint32_t i = 0; i < tokens.size(); ++i) {
    if (texts[i].size() > MaxBytes)
      return badInput(fmt::format("added token {} has {} bytes; at most {}", tokens[i].id, texts[i].size(), MaxBytes));
    if (!texts[i].empty())
      result.trie.insert(texts[i], i);
  }
  return result;
}

bool AddedTokens::matches(const AddedToken &token, std::string_view text, size_t begin, size_t end) const {
  if (!token.singleWord)
    return true;
  return (begin == 0 || !isWord(characterAt(text, lastCharacter(text, begin)))) &&
         (end == text.size() || !isWord(characterAt(text, end)));
}

void AddedTokens::find(std::string_view text, bool specials, std::vector<Part> &parts) const {
  size_t covered = 0;
  for (size_t at = 0; at < text.size() && !trie.empty();) {
    const ByteTrie::Match match = trie.longest(text.substr(at));
    if (match.length == 0) {
      ++at;
      continue;
    }
    size_t begin = at, end = at + match.length;
    // The search goes on behind the match, whatever becomes of it.
    at = end;
    const AddedToken &token = tokens[match.value];
    if ((token.special && !specials) || !matches(token, text, begin, end))
      continue;
    if (token.leftSpace)
      begin = spaceBefore(text, begin, std::min(covered, begin));
    if (token.rightSpace)
      end = spaceBehind(text, end);
    if (begin > covered)
      parts.push_back({text.substr(covered, begin - covered), nullptr});
    parts.push_back({text.substr(begin, end - begin), &token});
    covered = std::max(covered, end);
  }
  if (covered < text.size())
    parts.push_back({text.substr(covered), nullptr});
}

} // namespace ft::rt
