#include "runtime/Text/JsonCursor.h"

#include "runtime/Tokenizer/Utf8.h"

#include <cctype>
#include <fmt/format.h>

namespace ft::rt {

namespace {
bool isDigit(char c) { return c >= '0' && c <= '9'; }
} // namespace

void JsonCursor::skipSpace() {
  while (offset < text.size() &&
         (text[offset] == ' ' || text[offset] == '\t' || text[offset] == '\n' || text[offset] == '\r'))
    ++offset;
}

JsonCursor::Kind JsonCursor::kind() {
  skipSpace();
  switch (offset < text.size() ? text[offset] : '\0') {
  case '{':
    return Kind::Object;
  case '[':
    return Kind::Array;
  case '"':
    return Kind::String;
  case 't':
  case 'f':
    return Kind::Boolean;
  case 'n':
    return Kind::Null;
  case '-':
    return Kind::Number;
  default:
    return offset < text.size() && isDigit(text[offset]) ? Kind::Number : Kind::None;
  }
}

std::string_view JsonCursor::nameOf(Kind kind) {
  constexpr std::string_view names[] = {"object", "array", "string", "number", "boolean", "null", "nothing"};
  return names[size_t(kind)];
}

Status JsonCursor::enter() {
  const Kind what = kind();
  if (what != Kind::Object && what != Kind::Array)
    return badInput("an object or array is missing");
  if (levels.size() == MaxDepth)
    return badInput(fmt::format("values are nested more than {} deep", MaxDepth));
  levels.push_back({what == Kind::Object ? '}' : ']', false});
  ++offset;
  return {};
}

Expected<bool> JsonCursor::next() {
  skipSpace();
  Level &level = levels.back();
  const char c = offset < text.size() ? text[offset] : '\0';
  if (c == level.close) {
    ++offset;
    levels.pop_back();
    return false;
  }
  if (level.started) {
    if (c != ',')
      return badInput(fmt::format("a comma or '{}' is missing", level.close));
    ++offset;
  }
  level.started = true;
  return true;
}

Expected<std::string> JsonCursor::key() {
  if (kind() != Kind::String)
    return badInput("a member's name is missing");
  FT_ASSIGN_OR_RETURN(std::string name, string());
  skipSpace();
  FT_RETURN_IF_ERROR(expect(":"));
  return name;
}

Status JsonCursor::expect(std::string_view word) {
  if (!text.substr(offset).starts_with(word))
    return badInput(fmt::format("\"{}\" is missing", word));
  offset += word.size();
  return {};
}

Expected<char32_t> JsonCursor::hex4() {
  char32_t value = 0;
  for (int i = 0; i < 4; ++i, ++offset) {
    const char c = offset < text.size() ? text[offset] : '\0';
    if (!std::isxdigit(static_cast<unsigned char>(c)))
      return badInput("\\u is not followed by four hexadecimal digits");
    value = value * 16 + char32_t(isDigit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
  }
  return value;
}

Expected<std::string> JsonCursor::string() {
  if (kind() != Kind::String)
    return badInput("a string is missing");
  ++offset;
  std::string out;
  while (offset < text.size()) {
    const size_t plain = offset;
    while (offset < text.size() && text[offset] != '"' && text[offset] != '\\' && uint8_t(text[offset]) >= 0x20)
      ++offset;
    out += text.substr(plain, offset - plain);
    if (offset == text.size())
      break;
    const char c = text[offset++];
    if (c == '"') {
      if (!isWellFormedUtf8(out))
        return badInput("a string is not UTF-8; save the file as UTF-8");
      return out;
    }
    if (c != '\\')
      return badInput("a string holds a control character; must be written as \\n, \\t or \\u00XX");
    constexpr std::string_view names = "\"\\/bfnrt", values = "\"\\/\b\f\n\r\t";
    const char escaped = offset < text.size() ? text[offset++] : '\0';
    if (const size_t which = names.find(escaped); which != names.npos && escaped) {
      out += values[which];
      continue;
    }
    if (escaped != 'u')
      return badInput("a string has an escape that JSON does not have");
    FT_ASSIGN_OR_RETURN(char32_t unit, hex4());
    if (unit >= 0xD800 && unit < 0xDC00 && text.substr(offset).starts_with("\\u")) {
      offset += 2;
      FT_ASSIGN_OR_RETURN(const char32_t low, hex4());
      if (low < 0xDC00 || low > 0xDFFF)
        return badInput("a string has half of a surrogate pair");
      unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    }
    if (unit >= 0xD800 && unit < 0xE000)
      return badInput("a string has half of a surrogate pair");
    appendUtf8(out, unit);
  }
  return badInput("a string is cut off");
}

Status JsonCursor::skipString() {
  for (++offset; offset < text.size(); ++offset)
    if (text[offset] == '\\') {
      ++offset;
    } else if (text[offset] == '"') {
      ++offset;
      return {};
    }
  return badInput("a string is cut off");
}

Status JsonCursor::skipNumber() {
  auto digits = [&] {
    const size_t begin = offset;
    while (offset < text.size() && isDigit(text[offset]))
      ++offset;
    return offset > begin;
  };
  auto take = [&](std::string_view any) {
    const bool there = offset < text.size() && any.find(text[offset]) != any.npos;
    offset += there;
    return there;
  };
  take("-");
  if (!digits() || (take(".") && !digits()) || (take("eE") && (take("+-"), !digits())))
    return badInput("a number is not written as JSON has it");
  return {};
}

/// Iterative but for the bounded stack of levels.
Status JsonCursor::skip() {
  const size_t depth = levels.size();
  do {
    if (levels.size() > depth) {
      FT_ASSIGN_OR_RETURN(const bool more, next());
      if (!more)
        continue;
      if (levels.back().close == '}')
        FT_RETURN_IF_ERROR(key().status());
    }
    switch (kind()) {
    case Kind::Object:
    case Kind::Array:
      FT_RETURN_IF_ERROR(enter());
      break;
    case Kind::String:
      FT_RETURN_IF_ERROR(skipString());
      break;
    case Kind::Number:
      FT_RETURN_IF_ERROR(skipNumber());
      break;
    case Kind::Boolean:
      FT_RETURN_IF_ERROR(expect(text[offset] == 't' ? "true" : "false"));
      break;
    case Kind::Null:
      FT_RETURN_IF_ERROR(expect("null"));
      break;
    case Kind::None:
      for (std::string_view name : {"NaN", "Infinity"})
        if (text.substr(offset).starts_with(name))
          return badInput(fmt::format("{} is none of JSON's numbers; must be null", name));
      return badInput(offset == text.size() ? "a value is cut off" : "a value is missing");
    }
  } while (levels.size() > depth);
  return {};
}

bool JsonCursor::finished() {
  skipSpace();
  return offset == text.size();
}

} // namespace ft::rt
