#include "runtime/Template/Builtins.h"
#include "runtime/Template/CodePoints.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace ft::rt::jinja {

namespace {
using Kind = Value::Kind;

Status noOperator(std::string_view operation, const Value &left, const Value &right) {
  for (const Value *side : {&left, &right})
    if (side->is(Kind::Undefined))
      return badInput(fmt::format("{} is undefined", side->undefinedName()));
  return badInput(fmt::format("'{}' has no meaning for values of type {} and {}{}", operation, left.typeName(),
                              right.typeName(), operation == "+" ? "; '~' joins texts of any values" : ""));
}

Status overflow() { return badInput("an integer beyond 64 bits is not supported"); }

/// Python rounds quotients down.
int64_t floorDivide(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a % b < 0) != (b < 0)); }

Expected<Value> integers(std::string_view operation, int64_t a, int64_t b) {
  int64_t result = 0;
  if (operation == "+")
    return __builtin_add_overflow(a, b, &result) ? Expected<Value>(overflow()) : Value(result);
  if (operation == "-")
    return __builtin_sub_overflow(a, b, &result) ? Expected<Value>(overflow()) : Value(result);
  if (operation == "*")
    return __builtin_mul_overflow(a, b, &result) ? Expected<Value>(overflow()) : Value(result);
  if (operation == "**") {
    if (b < 0)
      return a == 0 ? Expected<Value>(badInput("division by zero")) : finite(std::pow(double(a), double(b)));
    if (a >= -1 && a <= 1)
      return Value(b == 0 ? int64_t(1) : a < 0 && b % 2 == 0 ? int64_t(1) : a);
    for (result = 1; b > 0; --b) // overflows after at most 63
      if (__builtin_mul_overflow(result, a, &result))
        return overflow();
    return Value(result);
  }
  if (b == 0)
    return badInput("division by zero");
  if (b == -1) // the one divisor whose quotient overflows
    return operation == "%" ? Value(int64_t(0)) : operation == "/" ? Value(-double(a)) : integers("-", 0, a);
  if (operation == "/")
    return Value(double(a) / double(b));
  return Value(operation == "//" ? floorDivide(a, b) : a - floorDivide(a, b) * b);
}

Expected<Value> reals(std::string_view operation, double a, double b) {
  if (operation == "+")
    return finite(a + b);
  if (operation == "-")
    return finite(a - b);
  if (operation == "*")
    return finite(a * b);
  if (operation == "**")
    return finite(std::pow(a, b));
  if (b == 0)
    return badInput("division by zero");
  if (operation == "/")
    return finite(a / b);
  if (operation == "//")
    return finite(std::floor(a / b));
  const double rest = std::fmod(a, b);
  return finite(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
}

Expected<Value> repeated(Context &context, const Value &what, int64_t times) {
  const uint64_t count = times > 0 ? uint64_t(times) : 0;
  if (what.weight() > UINT64_MAX / std::max<uint64_t>(count, 1))
    return context.budget.spend(UINT64_MAX);
  FT_RETURN_IF_ERROR(context.budget.spend(what.weight() * count));
  if (what.is(Kind::Text)) {
    std::string out;
    for (uint64_t i = 0; i < count; ++i)
      out += what.text();
    return what.isMarkup() ? Value::markup(std::move(out)) : Value(std::move(out));
  }
  std::vector<Value> items;
  for (uint64_t i = 0; i < count; ++i)
    items.insert(items.end(), what.items().begin(), what.items().end());
  return Value::of(what.kind(), std::move(items));
}
} // namespace

Expected<Value> finite(double number) {
  if (!std::isfinite(number))
    return badInput("a number that is not finite is not supported");
  return Value(number);
}

Expected<Value> negative(const Value &value) {
  if (value.isInteger())
    return integers("-", 0, value.integer());
  if (value.isNumber())
    return Value(-value.real());
  return noOperator("-", value, value);
}

Expected<Value> binary(Context &context, std::string_view operation, const Value &left, const Value &right) {
  if (left.isInteger() && right.isInteger())
    return integers(operation, left.integer(), right.integer());
  if (left.isNumber() && right.isNumber())
    return reals(operation, left.real(), right.real());
  const bool sameKind = left.kind() == right.kind();
  if (operation == "+" && sameKind && left.is(Kind::Text) && (left.isMarkup() || right.isMarkup()))
    return joinedMarkup(context, left, right);
  if (operation == "+" && sameKind && left.is(Kind::Text))
    return textValue(context, left.text() + right.text());
  if (operation == "+" && sameKind && left.isSequence()) {
    FT_RETURN_IF_ERROR(context.budget.spend(left.items().size() + right.items().size()));
    std::vector<Value> items = left.items();
    items.insert(items.end(), right.items().begin(), right.items().end());
    return Value::of(left.kind(), std::move(items));
  }
  const auto repeats = [](const Value &value) { return value.is(Kind::Text) || value.isSequence(); };
  if (operation == "*" && repeats(left) && right.isInteger())
    return repeated(context, left, right.integer());
  if (operation == "*" && repeats(right) && left.isInteger())
    return repeated(context, right, left.integer());
  if (operation == "%" && left.is(Kind::Text))
    return percentFormat(context, left, right);
  return noOperator(operation, left, right);
}

Expected<bool> compare(Context &context, std::string_view operation, const Value &left, const Value &right) {
  const bool member = operation == "in" || operation == "not in";
  FT_RETURN_IF_ERROR(context.budget.spend(member ? right.weight() : std::min(left.weight(), right.weight())));
  if (member) {
    FT_ASSIGN_OR_RETURN(const bool found, contains(right, left));
    return found == (operation == "in");
  }
  if (operation == "==" || operation == "!=")
    return (left == right) == (operation == "==");
  for (const Value *side : {&left, &right})
    if (side->is(Kind::Undefined))
      return badInput(fmt::format("{} is undefined", side->undefinedName()));
  const bool swaps = operation == ">" || operation == "<=";
  FT_ASSIGN_OR_RETURN(const bool less, swaps ? lessThan(right, left) : lessThan(left, right));
  return less == (operation == "<" || operation == ">");
}

Expected<Value> textValue(Context &context, std::string text) {
  FT_RETURN_IF_ERROR(context.budget.spend(text.size()));
  return Value(std::move(text));
}

} // namespace ft::rt::jinja
