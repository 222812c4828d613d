// Python's '%' of a text, '%s: %d' % (name, count), and the filter `format`, which is the same.
#include "runtime/Template/Builtins.h"
#include "runtime/Template/CodePoints.h"
#include "runtime/Template/Filters.h"
#include "runtime/Template/Print.h"
#include "runtime/Tokenizer/Utf8.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace ft::rt::jinja {

namespace {
using Kind = Value::Kind;

/// "%-5.2f": what stands between '%' and the letter, and the letter.
struct Directive {
  std::optional<std::string> key;
  bool left = false, zero = false, plus = false, space = false, other = false;
  uint32_t width = 0;
  std::optional<uint32_t> precision;
  char letter = 0;
};

/// What the directives of one text take their values from.
class Source {
public:
  explicit Source(const Value &argument) : argument(argument) {}

  Expected<Value> of(const Directive &directive) {
    if (directive.key) {
      if (!argument.is(Kind::Dict))
        return badInput("'%': a name in parentheses asks for a dict");
      if (const Value *found = argument.find(Value(*directive.key)))
        return *found;
      return badInput(fmt::format("'%': nothing is given for {}", *directive.key));
    }
    if (next >= (argument.is(Kind::Tuple) ? argument.items().size() : 1))
      return badInput("'%': there are fewer values than places");
    return argument.is(Kind::Tuple) ? argument.items()[next++] : (++next, argument);
  }
  Status finish() const {
    const bool some = argument.is(Kind::Tuple) ? next < argument.items().size()
                                               : next == 0 && !argument.is(Kind::Dict) && !argument.is(Kind::List);
    return some ? badInput("'%': there are more values than places") : Status();
  }

private:
  const Value &argument;
  size_t next = 0;
};

Expected<uint32_t> number(std::string_view form, size_t &at) {
  uint32_t value = 0;
  for (; at < form.size() && form[at] >= '0' && form[at] <= '9'; ++at)
    if ((value = value * 10 + uint32_t(form[at] - '0')) > 100000)
      return badInput("'%': a width or a precision must be at most 100000");
  return value;
}

/// `at` stands behind the '%'.
Expected<Directive> directiveAt(std::string_view form, size_t &at) {
  Directive result;
  if (form.substr(at).starts_with('(')) {
    const size_t end = form.find(')', at);
    if (end == form.npos)
      return badInput("'%': a name has no ')'");
    result.key = std::string(form.substr(at + 1, end - at - 1));
    at = end + 1;
  }
  for (; at < form.size() && std::string_view("-0+ #").find(form[at]) != std::string_view::npos; ++at)
    (form[at] == '-'   ? result.left
     : form[at] == '0' ? result.zero
     : form[at] == '+' ? result.plus
     : form[at] == ' ' ? result.space
                       : result.other) = true;
  FT_ASSIGN_OR_RETURN(result.width, number(form, at));
  if (form.substr(at).starts_with('.')) {
    FT_ASSIGN_OR_RETURN(result.precision, number(form, ++at));
  }
  if (at == form.size())
    return badInput("'%': the text ends inside of a place");
  result.letter = form[at++];
  if (result.other || std::string_view("srdiuxXoeEfFgGc%").find(result.letter) == std::string_view::npos)
    return badInput(fmt::format("'%': the form {}{} is not supported", result.other ? "#" : "", result.letter));
  return result;
}

std::string padded(std::string sign, std::string body, const Directive &directive, bool numeric) {
  const size_t length = sign.size() + countCodePoints(body);
  const size_t missing = directive.width > length ? directive.width - length : 0;
  if (directive.left)
    return sign + body + std::string(missing, ' ');
  return directive.zero && numeric ? sign + std::string(missing, '0') + body : std::string(missing, ' ') + sign + body;
}

Expected<std::string> textDirective(const Directive &directive, const Value &value) {
  if (directive.letter == 'c') {
    std::string one;
    if (value.isInteger() && value.integer() >= 0 && value.integer() < 0x110000)
      appendUtf8(one, char32_t(value.integer()));
    else if (value.is(Kind::Text) && countCodePoints(value.text()) == 1)
      one = value.text();
    else
      return badInput("'%': c takes a character");
    return padded("", one, directive, false);
  }
  FT_ASSIGN_OR_RETURN(std::string text, directive.letter == 'r' ? represented(value) : printed(value));
  if (directive.precision && countCodePoints(text) > *directive.precision)
    text.resize(byteOfCodePoint(text, *directive.precision));
  return padded("", std::move(text), directive, false);
}

Expected<std::string> numberDirective(const Directive &directive, const Value &value) {
  const char letter = directive.letter;
  const bool real = std::string_view("eEfFgG").find(letter) != std::string_view::npos;
  const bool based = letter == 'x' || letter == 'X' || letter == 'o';
  if (!value.isNumber() || (based && !value.isInteger()))
    return badInput(fmt::format("'%': {} takes a number, not a value of type {}", letter, value.typeName()));
  if (!real && !value.isInteger() && std::fabs(value.real()) >= 0x1p63)
    return badInput("'%': an integer beyond 64 bits is not supported");
  const int64_t integer = real ? 0 : value.isInteger() ? value.integer() : int64_t(value.real());
  const bool minus = real ? std::signbit(value.real()) : integer < 0;
  std::string body;
  if (real) {
    body = fmt::format(fmt::runtime(fmt::format("{{:.{}{}}}", directive.precision.value_or(6), letter)),
                       std::fabs(value.real()));
  } else {
    body = fmt::format(fmt::runtime(fmt::format("{{:{}}}", based ? letter : 'd')),
                       minus ? uint64_t(0) - uint64_t(integer) : uint64_t(integer));
    if (directive.precision && body.size() < *directive.precision)
      body.insert(0, *directive.precision - body.size(), '0');
  }
  return padded(minus ? "-" : directive.plus ? "+" : directive.space ? " " : "", std::move(body), directive, true);
}
} // namespace

Expected<Value> percentFormat(Context &context, const Value &form, const Value &argument) {
  if (form.isMarkup())
    return badInput("'%' of a safe text is not supported; join with '~'");
  const std::string_view text = form.text();
  Source source(argument);
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t plain = std::min(text.find('%', at), text.size());
    out += text.substr(at, plain - at);
    if ((at = plain) == text.size())
      break;
    FT_ASSIGN_OR_RETURN(const Directive directive, directiveAt(text, ++at));
    if (directive.letter == '%') {
      out += '%';
      continue;
    }
    FT_ASSIGN_OR_RETURN(const Value value, source.of(directive));
    FT_RETURN_IF_ERROR(context.budget.spend(directive.width + directive.precision.value_or(0) + value.weight()));
    const bool isText = directive.letter == 's' || directive.letter == 'r' || directive.letter == 'c';
    FT_ASSIGN_OR_RETURN(const std::string made,
                        isText ? textDirective(directive, value) : numberDirective(directive, value));
    out += made;
  }
  FT_RETURN_IF_ERROR(source.finish());
  return textValue(context, std::move(out));
}

Expected<Value> formatFilter(Context &context, const Value &input, const Arguments &arguments) {
  FT_ASSIGN_OR_RETURN(std::string form, printed(input));
  if (!arguments.positional.empty() && !arguments.named.empty())
    return badInput("format takes values, or values with names, and not both");
  std::vector<Value> items = arguments.positional;
  for (const auto &[name, value] : arguments.named)
    items.insert(items.end(), {Value(name), value});
  FT_ASSIGN_OR_RETURN(const Value given,
                      Value::of(arguments.named.empty() ? Kind::Tuple : Kind::Dict, std::move(items)));
  return percentFormat(context, input.isMarkup() ? input : Value(std::move(form)), given);
}

} // namespace ft::rt::jinja
