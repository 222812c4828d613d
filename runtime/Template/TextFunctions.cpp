#include "runtime/Template/TextFunctions.h"

#include "runtime/Template/CodePoints.h"
#include "runtime/Template/Print.h"
#include "runtime/Tokenizer/Utf8.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace ft::rt::jinja {

namespace {
bool endsLine(char32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

/// Words between white space; behind `most` cuts the rest is one word, as it stands.
std::vector<std::string_view> words(std::string_view text, uint64_t most, bool fromRight) {
  std::vector<std::string_view> out;
  auto cut = [&](std::string_view rest) { // up to the first white space, or from behind the last
    size_t at = fromRight ? rest.size() : 0, end = at;
    while (fromRight ? end > 0 : end < rest.size()) {
      size_t begin = end, after;
      if (fromRight)
        for (--begin; begin > 0 && (uint8_t(rest[begin]) & 0xC0) == 0x80;)
          --begin;
      after = begin;
      bool wellFormed;
      if (isPythonSpace(decodeUtf8(rest, after, wellFormed)))
        break;
      end = fromRight ? begin : after;
    }
    return end;
  };
  for (text = strip(text, !fromRight, fromRight); !text.empty(); text = strip(text, !fromRight, fromRight)) {
    if (out.size() == most) {
      out.push_back(text);
      break;
    }
    const size_t at = cut(text);
    out.push_back(fromRight ? text.substr(at) : text.substr(0, at));
    text = fromRight ? text.substr(0, at) : text.substr(at);
  }
  if (fromRight)
    std::reverse(out.begin(), out.end());
  return out;
}

std::vector<std::string_view> parts(std::string_view text, std::string_view separator, uint64_t most, bool fromRight) {
  std::vector<std::string_view> out;
  while (out.size() < most) {
    const size_t at = fromRight ? text.rfind(separator) : text.find(separator);
    if (at == text.npos)
      break;
    const size_t behind = at + separator.size();
    out.push_back(fromRight ? text.substr(behind) : text.substr(0, at));
    text = fromRight ? text.substr(0, at) : text.substr(behind);
  }
  out.push_back(text);
  if (fromRight)
    std::reverse(out.begin(), out.end());
  return out;
}

bool isAlnum(char c) { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'); }

/// What Python reads as a number, as std::from_chars takes it: without white space around it, a plus, and single
/// underscores between digits.
std::string plainNumber(std::string_view text) {
  text = strip(text, true, true);
  text.remove_prefix(text.starts_with('+') && !text.substr(1).starts_with('-'));
  std::string plain;
  for (size_t at = 0; at < text.size(); ++at)
    if (text[at] != '_' || at == 0 || at + 1 == text.size() || !isAlnum(text[at - 1]) || !isAlnum(text[at + 1]))
      plain += text[at];
  return plain;
}
} // namespace

Expected<Value> replaced(Context &context, std::string_view text, std::string_view what, std::string_view by,
                         int64_t most) {
  uint64_t left = most < 0 ? UINT64_MAX : uint64_t(most);
  std::string out;
  size_t at = 0;
  while (left-- > 0) {
    size_t found = what.empty() ? at : text.find(what, at);
    if (found == text.npos)
      break;
    FT_RETURN_IF_ERROR(context.budget.spend(found - at + by.size() + 1));
    out += text.substr(at, found - at);
    out += by;
    at = found + what.size();
    if (!what.empty())
      continue;
    if (at == text.size())
      return Value(std::move(out));
    const size_t length = codePointLength(text, at);
    out += text.substr(at, length);
    at += length;
  }
  out += text.substr(at);
  return textValue(context, std::move(out));
}

Expected<Value> splitText(Context &context, std::string_view text, const std::optional<std::string> &separator,
                          int64_t most, bool fromRight) {
  if (separator && separator->empty())
    return badInput("split takes no empty separator");
  const uint64_t count = most < 0 ? UINT64_MAX : uint64_t(most);
  FT_RETURN_IF_ERROR(context.budget.spend(2 * text.size()));
  std::vector<Value> items;
  for (std::string_view part : separator ? parts(text, *separator, count, fromRight) : words(text, count, fromRight))
    items.emplace_back(part);
  return Value::of(Value::Kind::List, std::move(items));
}

std::vector<std::string_view> splitLines(std::string_view text, bool keepEnds) {
  std::vector<std::string_view> lines;
  for (size_t begin = 0, at = 0; at < text.size();) {
    const size_t end = at;
    bool wellFormed;
    const char32_t c = decodeUtf8(text, at, wellFormed);
    if (!endsLine(c) && at < text.size())
      continue;
    at += c == '\r' && text.substr(at).starts_with('\n');
    lines.push_back(text.substr(begin, (keepEnds || !endsLine(c) ? at : end) - begin));
    begin = at;
  }
  return lines;
}

Expected<Value> joined(Context &context, std::string_view separator, const std::vector<Value> &items, bool onlyTexts) {
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    if (onlyTexts && !items[i].is(Value::Kind::Text))
      return badInput(fmt::format("join takes texts; item {} is of type {}", i, items[i].typeName()));
    FT_RETURN_IF_ERROR(context.budget.spend(items[i].weight() + separator.size()));
    FT_ASSIGN_OR_RETURN(const std::string text, printed(items[i]));
    out += i ? separator : "";
    out += text;
  }
  return Value(std::move(out));
}

Expected<Value> padded(Context &context, std::string_view text, int64_t width, std::string_view fill, bool left,
                       bool right) {
  if (countCodePoints(fill) != 1)
    return badInput("text is filled up with one character");
  const int64_t missing = std::max<int64_t>(0, width - int64_t(countCodePoints(text)));
  FT_RETURN_IF_ERROR(context.budget.spend(uint64_t(missing) * fill.size()));
  // Python's center() puts the odd one to the left where the width is odd.
  const int64_t front = left && right ? missing / 2 + (missing & width & 1) : left ? missing : 0;
  std::string out;
  for (int64_t i = 0; i < front; ++i)
    out += fill;
  out += text;
  for (int64_t i = front; i < missing; ++i)
    out += fill;
  return textValue(context, std::move(out));
}

std::optional<double> realOf(std::string_view given) {
  const std::string text = plainNumber(given);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::optional<int64_t> integerOf(std::string_view given, int base) {
  std::string text = plainNumber(given);
  const size_t sign = text.starts_with('-');
  const char letter = base == 16 ? 'x' : base == 8 ? 'o' : base == 2 ? 'b' : '\0';
  if (letter && text.size() > sign + 2 && text[sign] == '0' && (text[sign + 1] | 0x20) == letter)
    text.erase(sign, 2);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

} // namespace ft::rt::jinja
