#include "runtime/Tokenizer/UnicodeClasses.h"

#include "runtime/Tokenizer/Utf8.h"

#include <algorithm>
#include <array>
#include <span>
#include <utf8proc.h>

namespace ft::rt {

namespace {
struct CodeRange {
  char32_t first, last;
};
struct LowercaseRange {
  char32_t first, last;
  int32_t delta;
};
struct NewCharacters {
  std::string_view category, ranges;
};
#include "runtime/Tokenizer/UnicodeTables.inc"

constexpr CodeRange Space[] = {{0x9, 0xD},       {0x20, 0x20},     {0x85, 0x85},     {0xA0, 0xA0},
                               {0x1680, 0x1680}, {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F},
                               {0x205F, 0x205F}, {0x3000, 0x3000}};

bool contains(std::span<const CodeRange> ranges, char32_t c) {
  auto behind = std::upper_bound(ranges.begin(), ranges.end(), c,
                                 [](char32_t value, const CodeRange &range) { return value < range.first; });
  return behind != ranges.begin() && c <= std::prev(behind)->last;
}
} // namespace

bool isSpace(char32_t c) { return contains(Space, c); }
bool isWord(char32_t c) { return contains(Word, c); }
bool isNumeric(char32_t c) { return c < 0x80 ? c >= '0' && c <= '9' : contains(Numeric, c); }
bool isPunctuation(char32_t c) { return contains(Punctuation, c); }
bool isUnknownToNormalization(char32_t c) { return c >= 0x7FD && contains(UnknownToNormalization, c); }

void appendLowercase(std::string &out, char32_t c) {
  if (c == 0x130) {
    out += "i\u0307";
    return;
  }
  for (const LowercaseRange &range : NewLowercase)
    if (c >= range.first && c <= range.last)
      return appendUtf8(out, char32_t(int32_t(c) + range.delta));
  appendUtf8(out, char32_t(utf8proc_tolower(utf8proc_int32_t(c))));
}

std::string newCharactersOf(std::string_view category) {
  std::string out;
  for (const NewCharacters &added : RegexAdditions)
    if (added.category.starts_with(category))
      out += added.ranges;
  return out;
}

} // namespace ft::rt
