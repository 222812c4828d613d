#include "runtime/Template/Print.h"

#include "runtime/Template/CodePoints.h"
#include "runtime/Tokenizer/Utf8.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <utf8proc.h>

namespace ft::rt::jinja {

namespace {
using Kind = Value::Kind;

/// str.isprintable() of one character.
bool isPrintable(char32_t c) {
  switch (utf8proc_category(utf8proc_int32_t(c))) {
  case UTF8PROC_CATEGORY_CN:
  case UTF8PROC_CATEGORY_CC:
  case UTF8PROC_CATEGORY_CF:
  case UTF8PROC_CATEGORY_CS:
  case UTF8PROC_CATEGORY_CO:
  case UTF8PROC_CATEGORY_ZL:
  case UTF8PROC_CATEGORY_ZP:
  case UTF8PROC_CATEGORY_ZS:
    return c == ' ';
  default:
    return true;
  }
}

std::string quoted(std::string_view text) {
  const char quote = text.find('\'') != text.npos && text.find('"') == text.npos ? '"' : '\'';
  std::string out(1, quote);
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    bool wellFormed;
    const char32_t c = decodeUtf8(text, at, wellFormed);
    if (c == char32_t(quote) || c == '\\')
      out += {'\\', char(c)};
    else if (c == '\n' || c == '\r' || c == '\t')
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    else if (isPrintable(c))
      out += text.substr(begin, at - begin);
    else
      out += c < 0x100     ? fmt::format("\\x{:02x}", uint32_t(c))
             : c < 0x10000 ? fmt::format("\\u{:04x}", uint32_t(c))
                           : fmt::format("\\U{:08x}", uint32_t(c));
  }
  return out + quote;
}

void appendJsonText(std::string &out, std::string_view text, bool ascii) {
  out += '"';
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    bool wellFormed;
    const char32_t c = decodeUtf8(text, at, wellFormed);
    constexpr std::string_view escaped = "\"\\\n\r\t\f\b", names = "\"\\nrtfb";
    if (const size_t which = c < 0x80 ? escaped.find(char(c)) : escaped.npos; which != escaped.npos)
      out += {'\\', names[which]};
    else if (c < 0x20 || (ascii && c >= 0x7F && c < 0x10000 && c != 0x7F))
      out += fmt::format("\\u{:04x}", uint32_t(c));
    else if (ascii && c >= 0x10000)
      out +=
          fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((uint32_t(c) - 0x10000) >> 10), 0xDC00 + (uint32_t(c) & 0x3FF));
    else
      out += text.substr(begin, at - begin);
  }
  out += '"';
}

/// Keys of a JSON object are texts; json.dumps() makes them of numbers, booleans and None.
Expected<std::string> jsonKey(const Value &key) {
  switch (key.kind()) {
  case Kind::Text:
    return key.text();
  case Kind::None:
    return std::string("null");
  case Kind::Boolean:
    return std::string(key.truthy() ? "true" : "false");
  case Kind::Integer:
  case Kind::Real:
    return printed(key);
  default:
    return badInput(fmt::format("a key of type {} cannot be written as JSON", key.typeName()));
  }
}

class JsonWriter {
public:
  explicit JsonWriter(const JsonForm &form) : form(form) {}
  std::string out;

  Status write(const Value &value, size_t level) {
    switch (value.kind()) {
    case Kind::None:
      out += "null";
      return {};
    case Kind::Boolean:
      out += value.truthy() ? "true" : "false";
      return {};
    case Kind::Integer:
    case Kind::Real: {
      FT_ASSIGN_OR_RETURN(const std::string text, printed(value));
      out += text;
      return {};
    }
    case Kind::Text:
      appendJsonText(out, value.text(), form.ascii);
      return {};
    case Kind::List:
    case Kind::Tuple:
    case Kind::Dict:
      return writeItems(value, level);
    default:
      return badInput(fmt::format("a value of type {} cannot be written as JSON", value.typeName()));
    }
  }

private:
  void newLine(size_t level) {
    if (!form.indent)
      return;
    out += '\n';
    for (size_t i = 0; i < level; ++i)
      out += *form.indent;
  }

  Status writeItems(const Value &value, size_t level) {
    const bool dict = value.is(Kind::Dict);
    const std::vector<Value> &items = value.items();
    std::vector<size_t> order;
    for (size_t i = 0; i < items.size(); i += dict ? 2 : 1)
      order.push_back(i);
    if (dict && form.sorted) {
      for (size_t i : order)
        if (!items[i].is(Kind::Text))
          return badInput("keys that are no texts are not sorted");
      std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return items[a].text() < items[b].text(); });
    }
    out += dict ? '{' : '[';
    for (size_t i = 0; i < order.size(); ++i) {
      if (i)
        out += form.itemSeparator.value_or(form.indent ? "," : ", ");
      newLine(level + 1);
      if (dict) {
        FT_ASSIGN_OR_RETURN(const std::string key, jsonKey(items[order[i]]));
        appendJsonText(out, key, form.ascii);
        out += form.keySeparator.value_or(": ");
      }
      FT_RETURN_IF_ERROR(write(items[order[i] + dict], level + 1));
    }
    if (!order.empty())
      newLine(level);
    out += dict ? '}' : ']';
    return {};
  }

  const JsonForm &form;
};
} // namespace

std::string printedReal(double value) {
  // Python changes to an exponent below 1e-4 and from 1e16 on; fmt's digits are the shortest as well.
  const std::string scientific = fmt::format("{:e}", value);
  std::string shortest = fmt::format("{}", value);
  if (value == 0 || (std::fabs(value) >= 1e-4 && std::fabs(value) < 1e16)) {
    if (shortest.find('e') != std::string::npos)
      shortest = fmt::format("{:.0f}", value);
    return shortest.find('.') == std::string::npos ? shortest + ".0" : shortest;
  }
  if (shortest.find('e') != std::string::npos)
    return shortest;
  // "0.00001234" → "1.234e-05"
  for (int digits = 0; digits < 17; ++digits)
    if (std::string text = fmt::format("{:.{}e}", value, digits); std::stod(text) == value)
      return text;
  return scientific;
}

Expected<std::string> represented(const Value &value) {
  switch (value.kind()) {
  case Kind::Undefined:
    return std::string("Undefined");
  case Kind::Text:
    return value.isMarkup() ? fmt::format("Markup({})", quoted(value.text())) : quoted(value.text());
  case Kind::List:
  case Kind::Tuple:
  case Kind::Dict: {
    const bool dict = value.is(Kind::Dict), tuple = value.is(Kind::Tuple);
    const std::vector<Value> &items = value.items();
    std::string out(1, dict ? '{' : tuple ? '(' : '[');
    for (size_t i = 0; i < items.size(); ++i) {
      FT_ASSIGN_OR_RETURN(const std::string item, represented(items[i]));
      out += fmt::format("{}{}", i == 0 ? "" : dict && i % 2 ? ": " : ", ", item);
    }
    if (tuple && items.size() == 1)
      out += ',';
    return out + (dict ? '}' : tuple ? ')' : ']');
  }
  default:
    return printed(value);
  }
}

Expected<std::string> printed(const Value &value) {
  switch (value.kind()) {
  case Kind::Undefined:
    return std::string();
  case Kind::None:
    return std::string("None");
  case Kind::Boolean:
    return std::string(value.truthy() ? "True" : "False");
  case Kind::Integer:
    return std::to_string(value.integer());
  case Kind::Real:
    return printedReal(value.real());
  case Kind::Text:
    return value.text();
  case Kind::Object:
    return badInput(fmt::format("a {} cannot be printed", value.object()->kindName()));
  default:
    return represented(value);
  }
}

Expected<std::string> json(const Value &value, const JsonForm &form) {
  JsonWriter writer(form);
  FT_RETURN_IF_ERROR(writer.write(value, 0));
  return std::move(writer.out);
}

} // namespace ft::rt::jinja
