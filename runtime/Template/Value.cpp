#include "runtime/Template/Value.h"

#include "runtime/Template/CodePoints.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt::jinja {

Expected<Value> Value::of(Kind kind, std::vector<Value> items) {
  auto held = std::make_shared<Items>();
  for (const Value &item : items) {
    held->depth = std::max(held->depth, item.depth() + 1);
    held->weight += std::min(item.weight(), UINT64_MAX - held->weight);
  }
  if (held->depth > MaxDepth)
    return badInput(fmt::format("a value is nested more than {} deep", MaxDepth));
  held->values = std::move(items);
  return Value(kind, std::shared_ptr<const Items>(std::move(held)));
}

uint32_t Value::depth() const {
  if (is(Kind::Object))
    return object()->depth();
  return isSequence() || is(Kind::Dict) ? std::get<std::shared_ptr<const Items>>(held)->depth : 0;
}

uint64_t Value::weight() const {
  if (is(Kind::Text))
    return 1 + text().size();
  return isSequence() || is(Kind::Dict) ? std::get<std::shared_ptr<const Items>>(held)->weight : 1;
}

const Value *Value::find(const Value &key) const {
  const std::vector<Value> &all = items();
  for (size_t i = 0; i + 1 < all.size(); i += 2)
    if (all[i] == key)
      return &all[i + 1];
  return nullptr;
}

bool Value::truthy() const {
  switch (kindOf) {
  case Kind::Undefined:
  case Kind::None:
    return false;
  case Kind::Boolean:
  case Kind::Integer:
    return integer() != 0;
  case Kind::Real:
    return real() != 0;
  case Kind::Text:
    return !text().empty();
  case Kind::List:
  case Kind::Tuple:
  case Kind::Dict:
    return !items().empty();
  case Kind::Object:
    return true;
  }
  return false;
}

bool Value::operator==(const Value &other) const {
  if (isInteger() && other.isInteger())
    return integer() == other.integer();
  if (isNumber() && other.isNumber())
    return real() == other.real();
  if (kindOf != other.kindOf)
    return false;
  switch (kindOf) {
  case Kind::Text:
    return text() == other.text();
  case Kind::List:
  case Kind::Tuple:
    return items() == other.items();
  case Kind::Dict: {
    if (items().size() != other.items().size())
      return false;
    for (size_t i = 0; i + 1 < items().size(); i += 2) {
      const Value *found = other.find(items()[i]);
      if (!found || !(*found == items()[i + 1]))
        return false;
    }
    return true;
  }
  case Kind::Object:
    return object() == other.object();
  default:
    return true;
  }
}

bool Value::same(const Value &other) const { return kindOf == other.kindOf && *this == other; }

std::string_view Value::typeName() const {
  constexpr std::string_view names[] = {"Undefined", "NoneType", "bool",  "int",  "float",
                                        "str",       "list",     "tuple", "dict", "object"};
  return names[size_t(kindOf)];
}

Expected<bool> lessThan(const Value &left, const Value &right) {
  if (left.isInteger() && right.isInteger())
    return left.integer() < right.integer();
  if (left.isNumber() && right.isNumber())
    return left.real() < right.real();
  if (left.is(Value::Kind::Text) && right.is(Value::Kind::Text))
    return left.text() < right.text(); // UTF-8 sorts as its code points do
  if (left.isSequence() && left.kind() == right.kind()) {
    const auto &a = left.items(), &b = right.items();
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i)
      if (!(a[i] == b[i]))
        return lessThan(a[i], b[i]);
    return a.size() < b.size();
  }
  return badInput(fmt::format("values of type {} and {} have no order", left.typeName(), right.typeName()));
}

/// As Python has it: lists and dicts are none, nor what holds one.
static bool isKey(const Value &value) {
  if (value.is(Value::Kind::Tuple))
    return std::all_of(value.items().begin(), value.items().end(), isKey);
  return !value.is(Value::Kind::List) && !value.is(Value::Kind::Dict);
}

Expected<bool> contains(const Value &container, const Value &item) {
  switch (container.kind()) {
  case Value::Kind::Undefined:
    return false;
  case Value::Kind::Text:
    if (!item.is(Value::Kind::Text))
      return badInput(fmt::format("'in' of a text looks for a text, not for a value of type {}", item.typeName()));
    return container.text().find(item.text()) != std::string::npos;
  case Value::Kind::List:
  case Value::Kind::Tuple:
    return std::find(container.items().begin(), container.items().end(), item) != container.items().end();
  case Value::Kind::Dict:
    if (!isKey(item))
      return badInput(
          fmt::format("'in' of a dict looks for a key, which a value of type {} cannot be", item.typeName()));
    return container.find(item) != nullptr;
  default:
    return badInput(fmt::format("'in' cannot look into a value of type {}", container.typeName()));
  }
}

Expected<std::vector<Value>> iterate(const Value &value) {
  switch (value.kind()) {
  case Value::Kind::Undefined:
    return std::vector<Value>();
  case Value::Kind::List:
  case Value::Kind::Tuple:
    return value.items();
  case Value::Kind::Dict: {
    std::vector<Value> keys;
    for (size_t i = 0; i < value.items().size(); i += 2)
      keys.push_back(value.items()[i]);
    return keys;
  }
  case Value::Kind::Text: {
    std::vector<Value> characters;
    const std::string_view text = value.text();
    for (size_t at = 0; at < text.size();) {
      const size_t length = codePointLength(text, at);
      characters.emplace_back(text.substr(at, length));
      at += length;
    }
    return characters;
  }
  default:
    return badInput(fmt::format("a value of type {} cannot be iterated", value.typeName()));
  }
}

} // namespace ft::rt::jinja
