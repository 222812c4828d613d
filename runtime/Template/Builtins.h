// What templates find without defining it: filters, tests, methods, functions, operators.
//
// They are Jinja's and Python's, as far as chat templates use them; others are refused by name when a template is read.
// Errors carry no place: whoever calls knows it.
#pragma once

#include "runtime/Template/Value.h"

#include <ctime>
#include <span>

namespace ft::rt::jinja {

/// Work that a rendering may do: about one unit for each node that is evaluated and each byte of text that is made.
class Budget {
public:
  explicit Budget(uint64_t units) : left(units) {}
  Status spend(uint64_t units) {
    if (units > left)
      return badInput("the template takes too much work; it seems to go on without end");
    left -= units;
    return {};
  }

private:
  uint64_t left;
};

struct Context {
  Budget budget;
  std::optional<std::tm> now;                           ///< what strftime_now says; nothing: it is refused
  std::vector<std::shared_ptr<class Mutable>> changing; ///< all, emptied at the end: they may hold each other
};

/// An object whose values change: one may come to hold itself, or a chain of others that has no bound.
class Mutable : public Object {
public:
  virtual void clear() = 0;
};

/// namespace(): the one thing that changes.
class Namespace : public Mutable {
public:
  std::string kindName() const override { return "namespace"; }
  std::optional<Value> attribute(std::string_view name) override;
  void set(const std::string &name, Value value);
  void clear() override { attributes.clear(); }

private:
  std::vector<std::pair<std::string, Value>> attributes;
};

/// A function of Jinja's or a method of a value.
class Function : public Object {
public:
  using Body = Expected<Value> (*)(Context &, const Value &self, const Arguments &);
  Function(std::string_view name, Value self, Body body) : name(name), self(std::move(self)), body(body) {}
  std::string kindName() const override { return "function " + std::string(name); }
  bool callable() const override { return true; }
  uint32_t depth() const override { return self.depth(); }
  Expected<Value> call(Context &context, const Arguments &arguments) const;

private:
  std::string_view name;
  Value self;
  Body body;
};

/// Arguments in the order of a signature, "old new count?": a name with "?" need not be given. `function` is for
/// messages.
Expected<std::vector<std::optional<Value>>> bind(std::string_view function, std::string_view signature,
                                                 const Arguments &arguments);

bool isFilter(std::string_view name);
bool isTest(std::string_view name);
/// Why a name is none: not supported, or unknown, with the nearest that is.
std::string unknownFilter(std::string_view name);
std::string unknownTest(std::string_view name);
/// `name` is a filter or a test; `map`, `select` and their kin look up names of their own.
Expected<Value> applyFilter(Context &context, std::string_view name, const Value &input, const Arguments &arguments);
Expected<bool> applyTest(Context &context, std::string_view name, const Value &input, const Arguments &arguments);

/// Jinja's value.name and value[key]: undefined where there is none.
Expected<Value> attributeOf(const Value &value, std::string_view name);
Expected<Value> itemOf(const Value &value, const Value &key);
Expected<Value> sliceOf(Context &context, const Value &value, std::span<const Value> bounds); ///< three; none: absent
/// Nothing where a value of this type has no such method; undefined where it has one that must not be used.
std::optional<Value> methodOf(const Value &value, std::string_view name);
/// Undefined where there is no such function.
Value globalFunction(std::string_view name);

/// +, -, *, /, //, %, ** and the comparisons.
Expected<Value> binary(Context &context, std::string_view operation, const Value &left, const Value &right);
Expected<bool> compare(Context &context, std::string_view operation, const Value &left, const Value &right);
Expected<Value> negative(const Value &value);
/// A number that is finite; else refused.
Expected<Value> finite(double number);

/// Both texts, at least one of them safe: the other escaped, and the whole safe.
Expected<Value> joinedMarkup(Context &context, const Value &left, const Value &right);
/// A method of a safe text, as markupsafe's class has it: texts that it takes are escaped, those that it makes are
/// safe.
Expected<Value> markupMethod(Context &context, std::string_view name, const Value &self, const Arguments &arguments,
                             Function::Body body);
/// str.format() of "{}", "{0}" and "{name}", also with "!s" and "!r".
Expected<Value> formatMethod(Context &context, const Value &self, const Arguments &arguments);

/// A text that is charged for.
Expected<Value> textValue(Context &context, std::string text);
/// An integer argument. `fallback` where it was not given or is None.
Expected<int64_t> integerArgument(const std::optional<Value> &value, std::string_view name,
                                  std::optional<int64_t> fallback);

} // namespace ft::rt::jinja
