#include "runtime/Template/CodePoints.h"
#include "runtime/Template/Lexer.h"
#include "runtime/Tokenizer/Utf8.h"

#include <cctype>
#include <charconv>
#include <fmt/format.h>

namespace ft::rt::jinja {

namespace {
bool isDigit(char c) { return c >= '0' && c <= '9'; }
bool startsName(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; }

Expected<char32_t> hexadecimal(LexerState &state, size_t digits, size_t begin) {
  uint32_t value = 0;
  const std::string_view text = state.rest().substr(0, digits);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || text.size() != digits || end != text.data() + text.size() || value > 0x10FFFF ||
      (value >= 0xD800 && value < 0xE000))
    return state.error(begin, "the text has an escape that is no character");
  state.at += digits;
  return char32_t(value);
}

/// Behind a backslash, as Python's unicode-escape reads it; one that means nothing stays with its backslash.
Status lexEscape(LexerState &state, size_t begin, std::string &out) {
  constexpr std::string_view names = "\\'\"abfnrtv", values = "\\'\"\a\b\f\n\r\t\v";
  const char escaped = state.source[state.at++];
  if (const size_t which = names.find(escaped); which != names.npos) {
    out += values[which];
  } else if (escaped == 'x' || escaped == 'u' || escaped == 'U') {
    FT_ASSIGN_OR_RETURN(const char32_t c, hexadecimal(state, escaped == 'x' ? 2 : escaped == 'u' ? 4 : 8, begin));
    appendUtf8(out, c);
  } else if (escaped >= '0' && escaped <= '7') {
    char32_t value = char32_t(escaped - '0');
    for (int more = 0;
         more < 2 && state.at < state.source.size() && state.source[state.at] >= '0' && state.source[state.at] <= '7';
         ++more)
      value = value * 8 + char32_t(state.source[state.at++] - '0');
    appendUtf8(out, value);
  } else if (escaped == 'N') {
    return state.error(begin, "the text has an escape \\N, which is not supported; write the character itself");
  } else if (escaped != '\n') {
    out += '\\';
    out += escaped;
  }
  return {};
}

Status lexText(LexerState &state) {
  const size_t begin = state.at;
  const char quote = state.source[state.at++];
  std::string out;
  while (state.at < state.source.size() && state.source[state.at] != quote) {
    const char c = state.source[state.at++];
    if (c != '\\')
      out += c;
    else if (state.at < state.source.size())
      FT_RETURN_IF_ERROR(lexEscape(state, begin, out));
  }
  if (state.at == state.source.size())
    return state.error(begin, fmt::format("the text has no end; {} is missing", quote));
  ++state.at;
  state.add(Token::Kind::Text, begin, std::move(out));
  return {};
}

/// Underscores stand between digits. Other bases than ten are not needed by chat templates.
Status lexNumber(LexerState &state) {
  const size_t begin = state.at;
  std::string digits;
  bool real = false;
  auto take = [&] {
    const size_t before = digits.size();
    while (!state.rest().empty() && (isDigit(state.rest()[0]) || (state.rest()[0] == '_' && state.rest().size() > 1 &&
                                                                  isDigit(state.rest()[1]) && !digits.empty()))) {
      if (state.rest()[0] != '_')
        digits += state.rest()[0];
      ++state.at;
    }
    return digits.size() > before;
  };
  take();
  if (digits == "0" && !state.rest().empty() && std::isalpha(static_cast<unsigned char>(state.rest()[0])) &&
      state.rest()[0] != 'e' && state.rest()[0] != 'E')
    return state.error(begin, "a number of another base than ten is not supported");
  if (state.rest().size() > 1 && state.rest()[0] == '.' && isDigit(state.rest()[1])) {
    real = true;
    digits += '.';
    ++state.at;
    take();
  }
  const std::string_view rest = state.rest();
  const size_t sign = rest.size() > 1 && (rest[1] == '+' || rest[1] == '-');
  if (rest.size() > 1 + sign && (rest[0] == 'e' || rest[0] == 'E') && isDigit(rest[1 + sign])) {
    real = true;
    digits += rest.substr(0, 1 + sign);
    state.at += 1 + sign;
    take();
  }
  state.add(real ? Token::Kind::Real : Token::Kind::Integer, begin, std::move(digits));
  return {};
}

/// The end of a tag at `at`: its bytes, 0 where none is. `sign`: what stands in front of the braces.
size_t tagEnd(std::string_view rest, bool block, char &sign) {
  const std::string_view end = block ? "%}" : "}}";
  sign = '\0';
  if (rest.starts_with(end))
    return 2;
  if (!rest.empty() && (rest[0] == '-' || (block && rest[0] == '+')) && rest.substr(1).starts_with(end)) {
    sign = rest[0];
    return 3;
  }
  return 0;
}

/// Brackets are balanced, so that "}}" inside of them ends no variable.
Status lexOperator(LexerState &state, std::string &open) {
  constexpr std::string_view operators[] = {"//", "**", "==", "!=", "<=", ">=", "+", "-", "/", "*", "%", "~", "[",
                                            "]",  "(",  ")",  "{",  "}",  "<",  ">", "=", ".", ":", "|", ",", ";"};
  for (std::string_view text : operators) {
    if (!state.rest().starts_with(text))
      continue;
    if (text == "(" || text == "[" || text == "{") {
      open += text == "(" ? ')' : text == "[" ? ']' : '}';
    } else if (text == ")" || text == "]" || text == "}") {
      if (open.empty() || open.back() != text[0])
        return state.error(state.at, open.empty() ? fmt::format("'{}' closes nothing", text)
                                                  : fmt::format("'{}' where '{}' is expected", text, open.back()));
      open.pop_back();
    }
    state.add(Token::Kind::Operator, state.at, std::string(text));
    state.at += text.size();
    return {};
  }
  return state.error(state.at, fmt::format("unexpected character '{}'",
                                           state.rest().substr(0, codePointLength(state.source, state.at))));
}
} // namespace

Status lexTag(LexerState &state, bool block, size_t begin) {
  std::string open;
  state.add(block ? Token::Kind::BlockBegin : Token::Kind::VariableBegin, begin);
  while (state.at < state.source.size()) {
    char sign;
    if (const size_t length = open.empty() ? tagEnd(state.rest(), block, sign) : 0) {
      // The sign goes with the token: what follows the tag depends on it.
      state.add(block ? Token::Kind::BlockEnd : Token::Kind::VariableEnd, state.at, std::string(1, sign));
      state.at += length;
      return {};
    }
    const char c = state.source[state.at];
    if (const size_t spaces = state.rest().size() - strip(state.rest(), true, false).size()) {
      state.at += spaces;
    } else if (startsName(c)) {
      const size_t from = state.at;
      while (state.at < state.source.size() && (startsName(state.source[state.at]) || isDigit(state.source[state.at])))
        ++state.at;
      state.add(Token::Kind::Name, from, std::string(state.source.substr(from, state.at - from)));
    } else if (isDigit(c)) {
      FT_RETURN_IF_ERROR(lexNumber(state));
    } else if (c == '\'' || c == '"') {
      FT_RETURN_IF_ERROR(lexText(state));
    } else {
      FT_RETURN_IF_ERROR(lexOperator(state, open));
    }
  }
  return state.error(begin, fmt::format("the tag has no end; \"{}\" is missing", block ? "%}" : "}}"));
}

} // namespace ft::rt::jinja
