// Inside of tags; Lexer.cpp cuts the text around them.
#pragma once

#include "runtime/Template/Token.h"

namespace ft::rt::jinja {

/// What both halves of the lexer move along.
struct LexerState {
  std::string_view source;
  size_t at = 0;
  std::vector<Token> tokens;

  std::string_view rest() const { return source.substr(at); }
  Status error(size_t place, const std::string &what) const;
  void add(Token::Kind kind, size_t place, std::string text = "") {
    tokens.push_back({kind, uint32_t(place), std::move(text)});
  }
};

/// Behind "{%" or "{{" up to and with its end; `begin` is where it starts, for messages.
Status lexTag(LexerState &state, bool block, size_t begin);

} // namespace ft::rt::jinja
