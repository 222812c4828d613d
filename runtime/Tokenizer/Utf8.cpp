#include "runtime/Tokenizer/Utf8.h"

namespace ft::rt {

void appendUtf8(std::string &out, char32_t c) {
  if (c < 0x80) {
    out += char(c);
  } else if (c < 0x800) {
    out += char(0xC0 | (c >> 6));
    out += char(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += char(0xE0 | (c >> 12));
    out += char(0x80 | ((c >> 6) & 0x3F));
    out += char(0x80 | (c & 0x3F));
  } else {
    out += char(0xF0 | (c >> 18));
    out += char(0x80 | ((c >> 12) & 0x3F));
    out += char(0x80 | ((c >> 6) & 0x3F));
    out += char(0x80 | (c & 0x3F));
  }
}

namespace {
/// What may follow a lead byte: Unicode's table 3-7. length 0: no lead byte.
struct Lead {
  unsigned length;   // of the whole sequence
  uint8_t low, high; // range of the second byte; later ones are 80..BF
  char32_t bits;     // payload of the lead byte
};

Lead classify(uint8_t b) {
  if (b < 0x80)
    return {1, 0, 0, b};
  if (b >= 0xC2 && b <= 0xDF)
    return {2, 0x80, 0xBF, char32_t(b & 0x1F)};
  if (b >= 0xE0 && b <= 0xEF)
    return {3, uint8_t(b == 0xE0 ? 0xA0 : 0x80), uint8_t(b == 0xED ? 0x9F : 0xBF), char32_t(b & 0x0F)};
  if (b >= 0xF0 && b <= 0xF4)
    return {4, uint8_t(b == 0xF0 ? 0x90 : 0x80), uint8_t(b == 0xF4 ? 0x8F : 0xBF), char32_t(b & 0x07)};
  return {0, 0, 0, 0};
}
} // namespace

char32_t decodeUtf8(std::string_view bytes, size_t &offset, bool &wellFormed) {
  const Lead lead = classify(uint8_t(bytes[offset]));
  wellFormed = false;
  ++offset;
  if (lead.length == 0)
    return 0xFFFD;
  char32_t value = lead.bits;
  for (unsigned i = 1; i < lead.length; ++i) {
    if (offset >= bytes.size())
      return 0xFFFD;
    const uint8_t b = uint8_t(bytes[offset]);
    const uint8_t low = i == 1 ? lead.low : 0x80, high = i == 1 ? lead.high : 0xBF;
    if (b < low || b > high)
      return 0xFFFD;
    value = (value << 6) | (b & 0x3F);
    ++offset;
  }
  wellFormed = true;
  return value;
}

std::string replaceIllFormedUtf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (size_t offset = 0; offset < bytes.size();) {
    const size_t start = offset;
    bool wellFormed;
    decodeUtf8(bytes, offset, wellFormed);
    if (wellFormed)
      out.append(bytes, start, offset - start);
    else
      appendUtf8(out, 0xFFFD);
  }
  return out;
}

bool isWellFormedUtf8(std::string_view bytes) {
  bool wellFormed = true;
  for (size_t offset = 0; offset < bytes.size() && wellFormed;)
    decodeUtf8(bytes, offset, wellFormed);
  return wellFormed;
}

std::string replaceAll(std::string_view text, std::string_view what, std::string_view by) {
  std::string out;
  size_t begin = 0;
  for (size_t at = text.find(what); at != text.npos && !what.empty(); at = text.find(what, begin)) {
    (out += text.substr(begin, at - begin)) += by;
    begin = at + what.size();
  }
  return out += text.substr(begin);
}

} // namespace ft::rt
