#include "runtime/Tokenizer/ByteAlphabet.h"

#include "runtime/Tokenizer/Utf8.h"

namespace ft::rt {

ByteAlphabet::ByteAlphabet() {
  bytes.fill(-1);
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    characters[byte] = printable ? char32_t(byte) : next++;
    bytes[characters[byte]] = int16_t(byte);
  }
}

std::optional<std::string> ByteAlphabet::bytesOf(std::string_view text) const {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    bool wellFormed;
    const char32_t c = decodeUtf8(text, at, wellFormed);
    if (!wellFormed || c >= bytes.size() || bytes[c] < 0)
      return std::nullopt;
    out += char(bytes[c]);
  }
  return out;
}

} // namespace ft::rt
