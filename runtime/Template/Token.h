// The parts of a template's text.
#pragma once

#include "runtime/Support/Status.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ft::rt::jinja {

struct Token {
  enum class Kind : uint8_t {
    Data,
    BlockBegin,
    BlockEnd,
    VariableBegin,
    VariableEnd,
    Name,
    Text,
    Integer,
    Real,
    Operator,
    End
  };
  Kind kind;
  uint32_t at;      ///< byte of the source where it starts
  std::string text; ///< of Text: its value

  bool is(Kind wanted, std::string_view wantedText) const { return kind == wanted && text == wantedText; }
};

/// "3:14", from 1, columns in characters.
std::string placeOf(std::string_view source, size_t at);

/// The source as Jinja takes it: line ends are "\n", and one at the very end is not there.
std::string normalizedSource(std::string_view text);

/// Cuts a normalised source as Jinja's lexer does with trim_blocks and lstrip_blocks, which transformers sets: a line
/// end behind a block goes, and so does the white space between the start of a line and a block; "-" takes all white
/// space, "+" keeps it. Errors start with their place.
Expected<std::vector<Token>> tokenize(std::string_view source);

} // namespace ft::rt::jinja
