#include "runtime/Template/CodePoints.h"

#include "runtime/Tokenizer/UnicodeClasses.h"
#include "runtime/Tokenizer/Utf8.h"

#include <utf8proc.h>

namespace ft::rt::jinja {

namespace {
char32_t decode(std::string_view text, size_t &at) {
  bool wellFormed;
  return decodeUtf8(text, at, wellFormed);
}

void appendUpper(std::string &out, char32_t c) {
  if (c == U'\u00DF') // the one letter of common texts that becomes two
    out += "SS";
  else
    appendUtf8(out, char32_t(utf8proc_toupper(utf8proc_int32_t(c))));
}

bool isLetter(char32_t c) {
  const auto category = utf8proc_category(utf8proc_int32_t(c));
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LT;
}
} // namespace

size_t codePointLength(std::string_view text, size_t at) {
  const auto lead = uint8_t(text[at]);
  const size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  return std::min(length, text.size() - at);
}

size_t countCodePoints(std::string_view text) {
  size_t count = 0;
  for (char c : text)
    count += (uint8_t(c) & 0xC0) != 0x80;
  return count;
}

size_t byteOfCodePoint(std::string_view text, size_t index) {
  size_t at = 0;
  for (; index > 0 && at < text.size(); --index)
    at += codePointLength(text, at);
  return at;
}

bool isPythonSpace(char32_t c) { return isSpace(c) || (c >= 0x1C && c <= 0x1F); }

std::string_view strip(std::string_view text, bool left, bool right, std::string_view characters) {
  auto strips = [&](std::string_view one, char32_t c) {
    return characters.empty() ? isPythonSpace(c) : characters.find(one) != characters.npos;
  };
  while (left && !text.empty()) {
    size_t at = 0;
    const char32_t c = decode(text, at);
    if (!strips(text.substr(0, at), c))
      break;
    text.remove_prefix(at);
  }
  while (right && !text.empty()) {
    size_t begin = text.size() - 1;
    while (begin > 0 && (uint8_t(text[begin]) & 0xC0) == 0x80)
      --begin;
    size_t at = begin;
    const char32_t c = decode(text, at);
    if (!strips(text.substr(begin), c))
      break;
    text.remove_suffix(text.size() - begin);
  }
  return text;
}

/// Of `c`, behind which the text goes on at `at`. One letter's lower case depends on what stands around it: sigma's at
/// a word's end.
static void appendLower(std::string &out, char32_t c, std::string_view text, size_t at, bool behindLetter) {
  if (c == U'\u03A3' && behindLetter && (at == text.size() || !isLetter(decode(text, at))))
    appendUtf8(out, U'\u03C2');
  else
    appendLowercase(out, c);
}

std::string lower(std::string_view text) {
  std::string out;
  bool behindLetter = false;
  for (size_t at = 0; at < text.size();) {
    const char32_t c = decode(text, at);
    appendLower(out, c, text, at, behindLetter);
    behindLetter = isLetter(c);
  }
  return out;
}

std::string upper(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();)
    appendUpper(out, decode(text, at));
  return out;
}

std::string capitalize(std::string_view text) {
  std::string out;
  bool behindLetter = false;
  for (size_t at = 0; at < text.size();) {
    const char32_t c = decode(text, at);
    if (out.empty())
      appendUtf8(out, char32_t(utf8proc_totitle(utf8proc_int32_t(c))));
    else
      appendLower(out, c, text, at, behindLetter);
    behindLetter = isLetter(c);
  }
  return out;
}

std::string title(std::string_view text) {
  std::string out;
  bool inWord = false;
  for (size_t at = 0; at < text.size();) {
    const char32_t c = decode(text, at);
    if (inWord)
      appendLower(out, c, text, at, true);
    else
      appendUtf8(out, char32_t(utf8proc_totitle(utf8proc_int32_t(c))));
    inWord = isLetter(c);
  }
  return out;
}

} // namespace ft::rt::jinja
