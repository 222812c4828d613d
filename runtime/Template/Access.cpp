// Attributes, items, slices; arguments; functions that are there from the start.
#include "runtime/Support/Strings.h"
#include "runtime/Template/Builtins.h"
#include "runtime/Template/CodePoints.h"
#include "runtime/Template/Print.h"

#include <algorithm>
#include <fmt/format.h>
#include <sstream>

namespace ft::rt::jinja {

namespace {
using Kind = Value::Kind;
using Bound = std::vector<std::optional<Value>>;

/// As the sandbox of Jinja bounds it.
constexpr int64_t MaxRange = 100000;

Expected<Value> rangeFunction(Context &context, const Value &, const Arguments &a) {
  FT_ASSIGN_OR_RETURN(const Bound bound, bind("range", "start stop? step?", a));
  FT_ASSIGN_OR_RETURN(const int64_t first, integerArgument(bound[0], "start", std::nullopt));
  FT_ASSIGN_OR_RETURN(const int64_t second, integerArgument(bound[1], "stop", 0));
  FT_ASSIGN_OR_RETURN(const int64_t step, integerArgument(bound[2], "step", 1));
  if (step == 0)
    return badInput("range: step must not be zero");
  const int64_t begin = bound[1] ? first : 0, end = bound[1] ? second : first;
  const __int128 span = step > 0 ? __int128(end) - begin : __int128(begin) - end;
  const __int128 size = step > 0 ? __int128(step) : -__int128(step);
  if (span > size * MaxRange)
    return badInput(fmt::format("range: has more than {} items, which is the most", MaxRange));
  std::vector<Value> items;
  for (__int128 i = 0; i * size < span; ++i)
    items.emplace_back(int64_t(begin + i * step));
  FT_RETURN_IF_ERROR(context.budget.spend(items.size()));
  return Value::of(Kind::List, std::move(items));
}

Expected<Value> namespaceFunction(Context &context, const Value &, const Arguments &a) {
  auto made = std::make_shared<Namespace>();
  context.changing.push_back(made);
  if (a.positional.size() > 1 || (a.positional.size() == 1 && !a.positional[0].is(Kind::Dict)))
    return badInput("namespace takes named values, or one dict of them");
  if (!a.positional.empty())
    for (size_t i = 0; i + 1 < a.positional[0].items().size(); i += 2)
      if (a.positional[0].items()[i].is(Kind::Text))
        made->set(a.positional[0].items()[i].text(), a.positional[0].items()[i + 1]);
  for (const auto &[name, value] : a.named)
    made->set(name, value);
  return Value(std::shared_ptr<Object>(std::move(made)));
}

Expected<Value> dictFunction(Context &, const Value &, const Arguments &a) {
  if (!a.positional.empty() && !(a.positional.size() == 1 && a.positional[0].is(Kind::Dict)))
    return badInput("dict takes named values, or one dict");
  std::vector<Value> items = a.positional.empty() ? std::vector<Value>() : a.positional[0].items();
  for (const auto &[name, value] : a.named) {
    size_t at = 0;
    while (at < items.size() && !(items[at] == Value(name)))
      at += 2;
    if (at == items.size())
      items.insert(items.end(), {Value(name), value});
    else
      items[at + 1] = value;
  }
  return Value::of(Kind::Dict, std::move(items));
}

Expected<Value> raiseFunction(Context &, const Value &, const Arguments &a) {
  FT_ASSIGN_OR_RETURN(const Bound bound, bind("raise_exception", "message", a));
  FT_ASSIGN_OR_RETURN(const std::string message, printed(*bound[0]));
  return badInput(fmt::format("the template refuses this chat: {}", message));
}

Expected<Value> timeFunction(Context &context, const Value &, const Arguments &a) {
  FT_ASSIGN_OR_RETURN(const Bound bound, bind("strftime_now", "format", a));
  if (!context.now)
    return badInput("the template asks for today's date (strftime_now), which would make a run depend on the day; say "
                    "which it shall be with template_variables: \"strftime_now=2025-01-31\"");
  FT_ASSIGN_OR_RETURN(const std::string form, printed(*bound[0]));
  if (form.size() > 200)
    return badInput("strftime_now: the format has more than 200 bytes");
  char out[4096];
  const size_t length = form.empty() ? 0 : std::strftime(out, sizeof out, form.c_str(), &*context.now);
  return Value(std::string(out, length));
}

constexpr std::pair<std::string_view, Function::Body> Functions[] = {
    {"dict", dictFunction},   {"namespace", namespaceFunction}, {"raise_exception", raiseFunction},
    {"range", rangeFunction}, {"strftime_now", timeFunction},
};

/// Python's bounds of a slice over `size` items, and what it takes.
std::vector<size_t> sliced(size_t size, std::optional<int64_t> from, std::optional<int64_t> to, int64_t step) {
  const auto count = int64_t(size);
  auto clamp = [&](std::optional<int64_t> bound, int64_t fallback) {
    if (!bound)
      return fallback;
    const int64_t at = *bound < 0 ? std::max<int64_t>(*bound, -count - 1) + count : std::min(*bound, count);
    return step > 0 ? std::max<int64_t>(at, 0) : std::clamp<int64_t>(at, -1, count - 1);
  };
  const int64_t begin = clamp(from, step > 0 ? 0 : count - 1), end = clamp(to, step > 0 ? count : -1);
  std::vector<size_t> taken;
  for (__int128 at = begin; step > 0 ? at < end : at > end; at += step)
    taken.push_back(size_t(at));
  return taken;
}

Value noElement(const Value &value, const std::string &what) {
  const std::string owner = value.is(Kind::Object) ? value.object()->kindName() : std::string(value.typeName());
  return Value::undefined(fmt::format("{} of a {}", what, owner));
}
} // namespace

std::optional<Value> Namespace::attribute(std::string_view name) {
  for (const auto &[own, value] : attributes)
    if (own == name)
      return value;
  return std::nullopt;
}

void Namespace::set(const std::string &name, Value value) {
  for (auto &[own, held] : attributes)
    if (own == name) {
      held = std::move(value);
      return;
    }
  attributes.emplace_back(name, std::move(value));
}

Expected<std::vector<std::optional<Value>>> bind(std::string_view function, std::string_view signature,
                                                 const Arguments &arguments) {
  std::vector<std::optional<Value>> bound;
  std::istringstream names{std::string(signature)};
  size_t taken = 0;
  for (std::string name; names >> name;) {
    const bool optional = name.ends_with('?');
    if (optional)
      name.pop_back();
    std::optional<Value> value;
    if (bound.size() < arguments.positional.size())
      value = arguments.positional[bound.size()];
    for (const auto &[given, held] : arguments.named)
      if (given == name) {
        if (value)
          return badInput(fmt::format("{}: argument {} is given twice", function, name));
        value = held;
        ++taken;
      }
    if (!value && !optional)
      return badInput(fmt::format("{}: argument {} is missing", function, name));
    bound.push_back(std::move(value));
  }
  if (arguments.positional.size() > bound.size() || taken < arguments.named.size())
    return badInput(fmt::format("{} takes {} and nothing else", function,
                                signature.empty() ? "no arguments" : fmt::format("\"{}\"", signature)));
  return bound;
}

Expected<int64_t> integerArgument(const std::optional<Value> &value, std::string_view name,
                                  std::optional<int64_t> fallback) {
  if (fallback && (!value || value->is(Kind::None)))
    return *fallback;
  if (!value || !value->isInteger())
    return badInput(fmt::format("{} is of type {}; must be an integer", name, value ? value->typeName() : "None"));
  return value->integer();
}

Expected<Value> Function::call(Context &context, const Arguments &arguments) const {
  return self.isMarkup() ? markupMethod(context, name, self, arguments, body) : body(context, self, arguments);
}

Value globalFunction(std::string_view name) {
  for (const auto &[known, body] : Functions)
    if (known == name)
      return Value(std::static_pointer_cast<Object>(std::make_shared<Function>(known, Value::none(), body)));
  return Value::undefined(fmt::format("'{}'", name));
}

Expected<Value> attributeOf(const Value &value, std::string_view name) {
  if (value.is(Kind::Undefined))
    return badInput(fmt::format("{} is undefined", value.undefinedName()));
  if (value.is(Kind::Object)) {
    auto held = value.object()->attribute(name);
    return held ? std::move(*held) : noElement(value, fmt::format("attribute '{}'", name));
  }
  // Jinja looks for attributes first, so a dict's key "items" is not found.
  if (auto method = methodOf(value, name))
    return std::move(*method);
  if (value.is(Kind::Dict))
    if (const Value *found = value.find(Value(name)))
      return *found;
  return noElement(value, fmt::format("attribute '{}'", shown(name, 60)));
}

Expected<Value> itemOf(const Value &value, const Value &key) {
  switch (value.kind()) {
  case Kind::Undefined:
    return badInput(fmt::format("{} is undefined", value.undefinedName()));
  case Kind::Dict:
    if (const Value *found = value.find(key))
      return *found;
    break;
  case Kind::List:
  case Kind::Tuple:
    if (key.isInteger()) {
      const auto size = int64_t(value.items().size()), at = key.integer() < 0 ? key.integer() + size : key.integer();
      if (at >= 0 && at < size)
        return value.items()[size_t(at)];
    }
    break;
  case Kind::Text:
    if (key.isInteger()) {
      const std::string &text = value.text();
      const auto size = int64_t(countCodePoints(text)), at = key.integer() < 0 ? key.integer() + size : key.integer();
      if (at < 0 || at >= size)
        break;
      const size_t byte = byteOfCodePoint(text, size_t(at));
      std::string character = text.substr(byte, codePointLength(text, byte));
      return value.isMarkup() ? Value::markup(std::move(character)) : Value(std::move(character));
    }
    break;
  default:
    break;
  }
  // value["name"] looks for an attribute last.
  if (key.is(Kind::Text) && value.is(Kind::Object))
    return attributeOf(value, key.text());
  if (auto method = key.is(Kind::Text) ? methodOf(value, key.text()) : std::nullopt)
    return std::move(*method);
  FT_ASSIGN_OR_RETURN(const std::string name, represented(key));
  return noElement(value, "element " + shown(name, 60));
}

Expected<Value> sliceOf(Context &context, const Value &value, std::span<const Value> bounds) {
  std::optional<int64_t> at[3];
  for (size_t i = 0; i < 3; ++i)
    if (bounds[i].isInteger())
      at[i] = bounds[i].integer();
    else if (!bounds[i].is(Kind::None))
      return badInput(fmt::format("a slice's bound is of type {}; must be an integer", bounds[i].typeName()));
  if (at[2] == 0)
    return badInput("a slice's step must not be zero");
  if (value.is(Kind::Undefined))
    return badInput(fmt::format("{} is undefined", value.undefinedName()));
  if (!value.is(Kind::Text) && !value.isSequence())
    return badInput(fmt::format("a value of type {} cannot be sliced", value.typeName()));
  FT_RETURN_IF_ERROR(context.budget.spend(value.is(Kind::Text) ? value.weight() : value.items().size()));
  if (!value.is(Kind::Text)) {
    std::vector<Value> items;
    for (size_t i : sliced(value.items().size(), at[0], at[1], at[2].value_or(1)))
      items.push_back(value.items()[i]);
    return Value::of(value.kind(), std::move(items));
  }
  FT_ASSIGN_OR_RETURN(const std::vector<Value> characters, iterate(value));
  std::string out;
  for (size_t i : sliced(characters.size(), at[0], at[1], at[2].value_or(1)))
    out += characters[i].text();
  return value.isMarkup() ? Value::markup(std::move(out)) : Value(std::move(out));
}

} // namespace ft::rt::jinja
