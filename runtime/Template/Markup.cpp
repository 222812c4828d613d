// Texts that are marked safe, as markupsafe's class Markup.
#include "runtime/Template/Builtins.h"
#include "runtime/Template/Print.h"

#include <algorithm>
#include <string>

namespace ft::rt::jinja {

namespace {
using Kind = Value::Kind;

/// These ask about the text, as of any other.
constexpr std::string_view Asking[] = {"count",     "endswith", "find",    "index", "isalnum",   "isalpha",
                                       "isdecimal", "isdigit",  "isspace", "rfind", "startswith"};
/// These put their second argument into the text.
constexpr std::string_view Filling[] = {"center", "ljust", "replace", "rjust"};

template <size_t count> bool among(const std::string_view (&names)[count], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

std::string escaped(const Value &value) {
  if (value.isMarkup())
    return value.text();
  std::string out;
  for (char c : value.text())
    switch (c) {
    case '&':
      out += "&amp;";
      break;
    case '<':
      out += "&lt;";
      break;
    case '>':
      out += "&gt;";
      break;
    case '"':
      out += "&#34;";
      break;
    case '\'':
      out += "&#39;";
      break;
    default:
      out += c;
    }
  return out;
}

/// Any value's str(), escaped.
Expected<Value> escapedValue(Context &context, const Value &value) {
  FT_RETURN_IF_ERROR(context.budget.spend(5 * std::min(value.weight(), UINT64_MAX / 5)));
  FT_ASSIGN_OR_RETURN(std::string text, printed(value));
  return Value(escaped(value.isMarkup() ? value : Value(std::move(text))));
}

/// What str.join() takes, each item escaped.
Expected<Value> escapedItems(Context &context, const Value &value) {
  FT_ASSIGN_OR_RETURN(std::vector<Value> items, iterate(value));
  for (Value &item : items) {
    FT_ASSIGN_OR_RETURN(item, escapedValue(context, item));
  }
  return Value::of(Kind::List, std::move(items));
}

Expected<Value> marked(const Value &value) {
  if (value.is(Kind::Text))
    return Value::markup(value.text());
  if (!value.isSequence())
    return value;
  std::vector<Value> items;
  for (const Value &item : value.items())
    items.push_back(item.is(Kind::Text) ? Value::markup(item.text()) : item);
  return Value::of(value.kind(), std::move(items));
}
} // namespace

Expected<Value> joinedMarkup(Context &context, const Value &left, const Value &right) {
  FT_RETURN_IF_ERROR(context.budget.spend(5 * (left.text().size() + right.text().size())));
  return Value::markup(escaped(left) + escaped(right));
}

Expected<Value> markupMethod(Context &context, std::string_view name, const Value &self, const Arguments &arguments,
                             Function::Body body) {
  if (name == "format")
    return badInput("format of a text that is marked safe is not supported");
  if (among(Asking, name))
    return body(context, self, arguments);
  Arguments taken = arguments;
  if (name == "join" && !taken.positional.empty()) {
    FT_ASSIGN_OR_RETURN(taken.positional[0], escapedItems(context, taken.positional[0]));
  } else if (among(Filling, name) && taken.positional.size() > 1 && taken.positional[1].is(Kind::Text)) {
    FT_ASSIGN_OR_RETURN(taken.positional[1], escapedValue(context, taken.positional[1]));
  }
  FT_ASSIGN_OR_RETURN(const Value result, body(context, self, taken));
  return marked(result);
}

} // namespace ft::rt::jinja
