// GPT-2's way to write bytes as printable characters.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace ft::rt {

/// Printable Latin-1 bytes are themselves, the 68 others follow from U+0100 on.
class ByteAlphabet {
public:
  ByteAlphabet();
  char32_t character(uint8_t byte) const { return characters[byte]; }
  /// The bytes that a text in the alphabet stands for; nothing where it has a character of no byte.
  std::optional<std::string> bytesOf(std::string_view text) const;

private:
  std::array<char32_t, 256> characters{};
  std::array<int16_t, 0x144> bytes; ///< by character; −1: none
};

} // namespace ft::rt
