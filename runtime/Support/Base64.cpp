#include "runtime/Support/Base64.h"

#include <cstdint>

std::optional<std::string> ft::rt::base64Bytes(std::string_view text) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 != 0)
    return std::nullopt;
  text.remove_suffix(text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0);
  std::string out;
  uint32_t bits = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const size_t digit = digits.find(text[i]);
    if (digit == std::string_view::npos)
      return std::nullopt;
    bits = bits << 6 | uint32_t(digit);
    if (i % 4 > 0) // each digit but the first of four completes a byte
      out += char(bits >> (6 - 2 * (i % 4)));
  }
  return out;
}
