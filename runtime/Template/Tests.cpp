// {{ value is test }}.
#include "runtime/Template/Builtins.h"

#include "runtime/Support/Strings.h"
#include "runtime/Template/CodePoints.h"
#include "runtime/Template/Print.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt::jinja {

namespace {
using Kind = Value::Kind;

struct Test {
  std::string_view name;
  int arguments;
  Expected<bool> (*body)(Context &, const Value &input, const Value *argument);
};

template <Kind kind> Expected<bool> isKind(Context &, const Value &input, const Value *) { return input.is(kind); }
template <bool value> Expected<bool> isBoolean(Context &, const Value &input, const Value *) {
  return input.is(Kind::Boolean) && input.truthy() == value;
}
Expected<bool> isDefined(Context &, const Value &input, const Value *) { return !input.is(Kind::Undefined); }
Expected<bool> isNumber(Context &, const Value &input, const Value *) { return input.isNumber(); }
Expected<bool> isIterable(Context &, const Value &input, const Value *) {
  return input.is(Kind::Undefined) || input.is(Kind::Text) || input.isSequence() || input.is(Kind::Dict);
}
Expected<bool> isCallable(Context &, const Value &input, const Value *) {
  return input.is(Kind::Object) && input.object()->callable();
}
Expected<bool> isSame(Context &, const Value &input, const Value *argument) { return input.same(*argument); }

template <bool wantsUpper> Expected<bool> isCase(Context &, const Value &input, const Value *) {
  FT_ASSIGN_OR_RETURN(const std::string text, printed(input));
  // As Python: one letter with a case at least, and none of the other.
  const std::string lowered = lower(text), raised = upper(text);
  return text == (wantsUpper ? raised : lowered) && lowered != raised;
}

template <int64_t rest> Expected<bool> isParity(Context &context, const Value &input, const Value *) {
  FT_ASSIGN_OR_RETURN(const Value remainder, binary(context, "%", input, Value(int64_t(2))));
  return remainder == Value(rest);
}
Expected<bool> isDivisible(Context &context, const Value &input, const Value *argument) {
  FT_ASSIGN_OR_RETURN(const Value rest, binary(context, "%", input, *argument));
  return !rest.truthy();
}

template <char first, char second = '\0'>
Expected<bool> isCompared(Context &context, const Value &input, const Value *argument) {
  const char operation[] = {first, second};
  return compare(context, std::string_view(operation, second ? 2 : 1), input, *argument);
}
Expected<bool> isIn(Context &context, const Value &input, const Value *argument) {
  return compare(context, "in", input, *argument);
}
Expected<bool> isFilterName(Context &, const Value &input, const Value *) {
  return input.is(Kind::Text) && isFilter(input.text());
}
Expected<bool> isTestName(Context &, const Value &input, const Value *) {
  return input.is(Kind::Text) && isTest(input.text());
}

constexpr Test Table[] = {
    {"boolean", 0, isKind<Kind::Boolean>},
    {"callable", 0, isCallable},
    {"defined", 0, isDefined},
    {"divisibleby", 1, isDivisible},
    {"eq", 1, isCompared<'=', '='>},
    {"equalto", 1, isCompared<'=', '='>},
    {"even", 0, isParity<0>},
    {"false", 0, isBoolean<false>},
    {"filter", 0, isFilterName},
    {"float", 0, isKind<Kind::Real>},
    {"ge", 1, isCompared<'>', '='>},
    {"greaterthan", 1, isCompared<'>'>},
    {"gt", 1, isCompared<'>'>},
    {"in", 1, isIn},
    {"integer", 0, isKind<Kind::Integer>},
    {"iterable", 0, isIterable},
    {"le", 1, isCompared<'<', '='>},
    {"lessthan", 1, isCompared<'<'>},
    {"lower", 0, isCase<false>},
    {"lt", 1, isCompared<'<'>},
    {"mapping", 0, isKind<Kind::Dict>},
    {"ne", 1, isCompared<'!', '='>},
    {"none", 0, isKind<Kind::None>},
    {"number", 0, isNumber},
    {"odd", 0, isParity<1>},
    {"sameas", 1, isSame},
    {"sequence", 0, isIterable},
    {"string", 0, isKind<Kind::Text>},
    {"test", 0, isTestName},
    {"true", 0, isBoolean<true>},
    {"undefined", 0, isKind<Kind::Undefined>},
    {"upper", 0, isCase<true>},
    // Where a test's name is a text, as in select("==", 1).
    {"!=", 1, isCompared<'!', '='>},
    {"<", 1, isCompared<'<'>},
    {"<=", 1, isCompared<'<', '='>},
    {"==", 1, isCompared<'=', '='>},
    {">", 1, isCompared<'>'>},
    {">=", 1, isCompared<'>', '='>},
};

const Test *find(std::string_view name) {
  const auto *at =
      std::find_if(std::begin(Table), std::end(Table), [&](const Test &test) { return test.name == name; });
  return at == std::end(Table) ? nullptr : at;
}
} // namespace

bool isTest(std::string_view name) { return find(name) != nullptr; }

std::string unknownTest(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Test &test : Table)
    names.push_back(test.name);
  return fmt::format("there is no test {}{}", shown(name), suggestion(name, std::span<const std::string_view>(names)));
}

Expected<bool> applyTest(Context &context, std::string_view name, const Value &input, const Arguments &arguments) {
  const Test *test = find(name);
  if (!test)
    return badInput(unknownTest(name));
  if (!arguments.named.empty() || arguments.positional.size() != size_t(test->arguments))
    return badInput(fmt::format("the test {} takes {}", name, test->arguments ? "one argument" : "no argument"));
  FT_RETURN_IF_ERROR(context.budget.spend(1));
  return test->body(context, input, arguments.positional.empty() ? nullptr : arguments.positional.data());
}

} // namespace ft::rt::jinja
