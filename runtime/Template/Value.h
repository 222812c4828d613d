// What a template computes with: Python's values, as far as chat templates use them.
#pragma once

#include "runtime/Support/Status.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace ft::rt::jinja {

class Value;
class Object;

/// Items of a list or tuple, or keys and values of a dict in turn.
struct Items {
  std::vector<Value> values;
  uint32_t depth = 1;  ///< bounds recursion over values
  uint64_t weight = 1; ///< bounds the work of walking over all of it, shared parts as often as they are met
};

/// Immutable and cheap to copy. Nothing in a template changes a list or a dict (transformers renders in Jinja's
/// immutable sandbox); only a namespace's attributes change.
class Value {
public:
  enum class Kind : uint8_t { Undefined, None, Boolean, Integer, Real, Text, List, Tuple, Dict, Object };
  static constexpr uint32_t MaxDepth = 128;

  Value() : Value(undefined("a value")) {}
  Value(bool value) : kindOf(Kind::Boolean), held(int64_t(value)) {}
  Value(int64_t value) : kindOf(Kind::Integer), held(value) {}
  Value(double value) : kindOf(Kind::Real), held(value) {}
  Value(std::string text) : kindOf(Kind::Text), held(std::make_shared<const std::string>(std::move(text))) {}
  Value(std::string_view text) : Value(std::string(text)) {}
  Value(const char *text) : Value(std::string(text)) {}
  Value(std::shared_ptr<Object> object) : kindOf(Kind::Object), held(std::move(object)) {}

  /// A text that needs no escaping: what `safe` makes of a text. Jinja never escapes in chat templates, but where such
  /// a text is joined with another by "+", the other is escaped.
  static Value markup(std::string text) {
    Value made(std::move(text));
    made.safe = true;
    return made;
  }
  static Value none() { return Value(Kind::None, int64_t(0)); }
  /// `what` is for messages: "'tools'".
  static Value undefined(std::string what) {
    return Value(Kind::Undefined, std::make_shared<const std::string>(std::move(what)));
  }
  /// Fails where the nesting is deeper than MaxDepth. `kind` is List, Tuple or Dict; a dict's keys are distinct.
  static Expected<Value> of(Kind kind, std::vector<Value> items);

  Kind kind() const { return kindOf; }
  bool is(Kind kind) const { return kindOf == kind; }
  bool isSequence() const { return kindOf == Kind::List || kindOf == Kind::Tuple; }
  bool isMarkup() const { return safe; } ///< a text, then
  bool isNumber() const { return kindOf == Kind::Boolean || kindOf == Kind::Integer || kindOf == Kind::Real; }
  bool isInteger() const { return kindOf == Kind::Boolean || kindOf == Kind::Integer; }

  int64_t integer() const { return std::get<int64_t>(held); }                                 ///< Boolean or Integer
  double real() const { return is(Kind::Real) ? std::get<double>(held) : double(integer()); } ///< any number
  const std::string &text() const { return *std::get<std::shared_ptr<const std::string>>(held); }
  const std::string &undefinedName() const { return text(); }
  const std::vector<Value> &items() const { return std::get<std::shared_ptr<const Items>>(held)->values; }
  uint32_t depth() const; ///< of lists and dicts inside of each other, and of what holds them: a method, a loop
  /// Bytes of a text, items of all levels of a list: what it costs to copy, compare or print it. Saturates.
  uint64_t weight() const;
  const std::shared_ptr<Object> &object() const { return std::get<std::shared_ptr<Object>>(held); }

  /// Of a dict; null where it has no such key.
  const Value *find(const Value &key) const;

  bool truthy() const;
  /// Python's ==: 1 == 1.0 == True, and lists and tuples differ.
  bool operator==(const Value &other) const;
  /// Python's `is`, as far as templates tell it from ==: of None, booleans and one object.
  bool same(const Value &other) const;

  /// Python's name of the type: "str".
  std::string_view typeName() const;

private:
  using Held = std::variant<int64_t, double, std::shared_ptr<const std::string>, std::shared_ptr<const Items>,
                            std::shared_ptr<Object>>;
  Value(Kind kind, Held held) : kindOf(kind), held(std::move(held)) {}
  Kind kindOf;
  bool safe = false;
  Held held;
};

/// What stands between the parentheses of a call.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

/// What has attributes or can be called: namespaces, macros, functions, methods, a loop.
class Object {
public:
  virtual ~Object() = default;
  /// For messages: "namespace", "method strip".
  virtual std::string kindName() const = 0;
  /// Null where there is none.
  virtual std::optional<Value> attribute(std::string_view) { return std::nullopt; }
  virtual bool callable() const { return false; }
  /// Of the values that it holds for good: who frees it goes as deep.
  virtual uint32_t depth() const { return 0; }
};

/// Python's ordering. TypeError's words where there is none.
Expected<bool> lessThan(const Value &left, const Value &right);
/// Python's `in`.
Expected<bool> contains(const Value &container, const Value &item);
/// What a for loop goes over: items, keys of a dict, characters of a text, nothing of an undefined value.
Expected<std::vector<Value>> iterate(const Value &value);

} // namespace ft::rt::jinja
