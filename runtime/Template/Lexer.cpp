#include "runtime/Template/Lexer.h"

#include "runtime/Template/CodePoints.h"

#include <fmt/format.h>

namespace ft::rt::jinja {

namespace {
bool onlySpace(std::string_view text) { return strip(text, true, true).empty(); }

void skipSpace(LexerState &state) { state.at += state.rest().size() - strip(state.rest(), true, false).size(); }

/// Text in front of a tag whose sign is `sign`. `lineStarts`: what came before it ended a line, or there was nothing.
std::string_view before(std::string_view text, char sign, bool stripsLine, bool lineStarts) {
  if (sign == '-')
    return strip(text, false, true);
  if (sign == '+' || !stripsLine)
    return text;
  const size_t line = text.rfind('\n');
  const size_t begin = line == text.npos ? 0 : line + 1;
  return (begin > 0 || lineStarts) && begin < text.size() && onlySpace(text.substr(begin)) ? text.substr(0, begin)
                                                                                           : text;
}

/// "{% raw %}", white space and signs included; its bytes, or 0. `sign` is that of the opening, `strips` of the end.
size_t rawTag(std::string_view text, std::string_view word, char &sign, char &endSign) {
  LexerState inner{text, 2, {}};
  sign = inner.rest().starts_with('-') || inner.rest().starts_with('+') ? inner.rest()[0] : '\0';
  inner.at += sign != '\0';
  skipSpace(inner);
  if (!inner.rest().starts_with(word))
    return 0;
  inner.at += word.size();
  skipSpace(inner);
  endSign = inner.rest().starts_with('-') || inner.rest().starts_with('+') ? inner.rest()[0] : '\0';
  inner.at += endSign != '\0';
  return inner.rest().starts_with("%}") ? inner.at + 2 : 0;
}

/// What an end takes away behind itself.
void afterEnd(LexerState &state, char sign, bool trims) {
  if (sign == '-')
    skipSpace(state);
  else if (sign != '+' && trims && state.rest().starts_with('\n'))
    ++state.at;
}

Status lexComment(LexerState &state, size_t begin) {
  const size_t end = state.source.find("#}", state.at);
  if (end == std::string_view::npos)
    return state.error(begin, "the comment has no end; \"#}\" is missing");
  const char last = end > state.at ? state.source[end - 1] : '\0';
  state.at = end + 2;
  afterEnd(state, last == '-' || last == '+' ? last : '\0', true);
  return {};
}

/// Behind "{% raw %}": all is text up to "{% endraw %}".
Status lexRaw(LexerState &state, size_t begin) {
  bool lineStarts = state.at > 0 && state.source[state.at - 1] == '\n';
  for (size_t end = state.at; (end = state.source.find("{%", end)) != std::string_view::npos; ++end) {
    char sign, endSign;
    const size_t length = rawTag(state.source.substr(end), "endraw", sign, endSign);
    if (!length)
      continue;
    const std::string_view text = before(state.source.substr(state.at, end - state.at), sign, true, lineStarts);
    if (!text.empty())
      state.add(Token::Kind::Data, state.at, std::string(text));
    state.at = end + length;
    afterEnd(state, endSign, true);
    return {};
  }
  return state.error(begin, "raw has no end; \"{% endraw %}\" is missing");
}

size_t nextTag(std::string_view text) {
  for (size_t at = 0; (at = text.find('{', at)) != text.npos; ++at)
    if (at + 1 < text.size() && (text[at + 1] == '%' || text[at + 1] == '{' || text[at + 1] == '#'))
      return at;
  return text.npos;
}
} // namespace

Status LexerState::error(size_t place, const std::string &what) const {
  return badInput(fmt::format("{}: {}", placeOf(source, place), what));
}

std::string placeOf(std::string_view source, size_t at) {
  size_t line = 1, begin = 0;
  for (size_t i = 0; i < std::min(at, source.size()); ++i)
    if (source[i] == '\n') {
      ++line;
      begin = i + 1;
    }
  return fmt::format("{}:{}", line, 1 + countCodePoints(source.substr(begin, at - begin)));
}

std::string normalizedSource(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\r') {
      at += text.substr(at + 1).starts_with('\n');
      out += '\n';
    } else {
      out += text[at];
    }
  }
  if (out.ends_with('\n'))
    out.pop_back();
  return out;
}

Expected<std::vector<Token>> tokenize(std::string_view source) {
  LexerState state{source, 0, {}};
  bool lineStarts = true;
  while (state.at < source.size()) {
    const size_t length = nextTag(state.rest()), begin = state.at + length;
    if (length == std::string_view::npos) {
      state.add(Token::Kind::Data, state.at, std::string(state.rest()));
      break;
    }
    const char kind = source[begin + 1];
    char sign =
        begin + 2 < source.size() && (source[begin + 2] == '-' || source[begin + 2] == '+') ? source[begin + 2] : '\0';
    char endSign = '\0';
    const size_t raw = kind == '%' ? rawTag(source.substr(begin), "raw", sign, endSign) : 0;
    const std::string_view text = before(state.rest().substr(0, length), sign, kind != '{', lineStarts);
    if (!text.empty())
      state.add(Token::Kind::Data, state.at, std::string(text));
    state.at = begin + 2 + (sign != '\0');
    if (raw && endSign != '+') {
      state.at = begin + raw;
      afterEnd(state, endSign, false);
      FT_RETURN_IF_ERROR(lexRaw(state, begin));
    } else if (kind == '#') {
      FT_RETURN_IF_ERROR(lexComment(state, begin));
    } else {
      FT_RETURN_IF_ERROR(lexTag(state, kind == '%', begin));
      afterEnd(state, state.tokens.back().text[0], kind == '%');
    }
    lineStarts = source[state.at - 1] == '\n';
  }
  state.add(Token::Kind::End, source.size());
  return std::move(state.tokens);
}

} // namespace ft::rt::jinja
