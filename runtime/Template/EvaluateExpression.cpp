#include "runtime/Template/Evaluator.h"
#include "runtime/Template/Print.h"
#include "runtime/Template/Token.h"

#include <fmt/format.h>

namespace ft::rt::jinja {

using Kind = Expression::Kind;

Expected<Value> Evaluator::evaluate(const Expression &expression, Scope &scope) {
  FT_RETURN_IF_ERROR(enter(expression.at, 1));
  auto value = evaluateNode(expression, scope);
  --depth;
  return value;
}

Expected<Value> Evaluator::evaluateNode(const Expression &expression, Scope &scope) {
  auto leaf = [&](Expected<Value> value) { return value ? std::move(value) : placed(expression.at, value.status()); };
  switch (expression.kind) {
  case Kind::Constant:
    return expression.constant;
  case Kind::Name:
    return evaluateName(expression, scope);
  case Kind::List:
  case Kind::Tuple:
  case Kind::Dict:
    return evaluateItems(expression, scope);
  case Kind::Slice:
    return evaluateSlice(expression, scope);
  case Kind::Call:
    return evaluateCall(expression, scope);
  case Kind::Filter:
    return evaluateFilter(expression, nullptr, scope);
  case Kind::Compare:
    return evaluateCompare(expression, scope);
  case Kind::Concat:
    return evaluateConcat(expression, scope);
  default:
    break;
  }
  // What is left has a first operand that is always evaluated.
  const bool conditional = expression.kind == Kind::Conditional;
  FT_ASSIGN_OR_RETURN(const Value first, evaluate(*expression.parts[conditional ? 1 : 0], scope));
  switch (expression.kind) {
  case Kind::Attribute:
    return leaf(attributeOf(first, expression.name));
  case Kind::Item: {
    FT_ASSIGN_OR_RETURN(const Value key, evaluate(*expression.parts[1], scope));
    return leaf(itemOf(first, key));
  }
  case Kind::Test: {
    FT_ASSIGN_OR_RETURN(const Arguments arguments, evaluateArguments(expression, scope));
    auto result = applyTest(context, expression.name, first, arguments);
    return result ? Expected<Value>(Value(*result)) : placed(expression.at, result.status());
  }
  case Kind::Not:
    return Value(!first.truthy());
  case Kind::Negative:
    return leaf(negative(first));
  case Kind::Positive:
    return first.isNumber() ? first : leaf(badInput(fmt::format("'+' has no meaning for type {}", first.typeName())));
  case Kind::And:
    return first.truthy() ? evaluate(*expression.parts[1], scope) : Expected<Value>(first);
  case Kind::Or:
    return first.truthy() ? Expected<Value>(first) : evaluate(*expression.parts[1], scope);
  case Kind::Conditional:
    if (first.truthy())
      return evaluate(*expression.parts[0], scope);
    return expression.parts[2] ? evaluate(*expression.parts[2], scope)
                               : Value::undefined("an 'if' without an 'else' that is not met");
  default: {
    FT_ASSIGN_OR_RETURN(const Value second, evaluate(*expression.parts[1], scope));
    return leaf(binary(context, expression.name, first, second));
  }
  }
}

Expected<Value> Evaluator::evaluateName(const Expression &expression, Scope &scope) {
  const Value *found = scope.find(expression.name);
  return found ? *found : globalFunction(expression.name);
}

Expected<Value> Evaluator::evaluateItems(const Expression &expression, Scope &scope) {
  std::vector<Value> items;
  for (const ExpressionPtr &part : expression.parts) {
    FT_ASSIGN_OR_RETURN(Value value, evaluate(*part, scope));
    items.push_back(std::move(value));
  }
  if (expression.kind != Kind::Dict) {
    auto made = Value::of(expression.kind == Kind::List ? Value::Kind::List : Value::Kind::Tuple, std::move(items));
    return made ? std::move(made) : placed(expression.at, made.status());
  }
  std::vector<Value> distinct; // of equal keys the first keeps its place and the last gives the value
  for (size_t i = 0; i < items.size(); i += 2) {
    if (items[i].isSequence() || items[i].is(Value::Kind::Dict))
      return placed(expression.at, badInput("a list or a dict cannot be a key"));
    size_t at = 0;
    while (at < distinct.size() && !(distinct[at] == items[i]))
      at += 2;
    if (at == distinct.size())
      distinct.insert(distinct.end(), {items[i], items[i + 1]});
    else
      distinct[at + 1] = items[i + 1];
  }
  auto made = Value::of(Value::Kind::Dict, std::move(distinct));
  return made ? std::move(made) : placed(expression.at, made.status());
}

Expected<Value> Evaluator::evaluateSlice(const Expression &expression, Scope &scope) {
  FT_ASSIGN_OR_RETURN(const Value value, evaluate(*expression.parts[0], scope));
  std::vector<Value> bounds(3, Value::none());
  for (size_t i = 0; i < 3; ++i)
    if (expression.parts[i + 1]) {
      FT_ASSIGN_OR_RETURN(bounds[i], evaluate(*expression.parts[i + 1], scope));
    }
  auto result = sliceOf(context, value, bounds);
  return result ? std::move(result) : placed(expression.at, result.status());
}

Expected<Value> Evaluator::evaluateCompare(const Expression &expression, Scope &scope) {
  FT_ASSIGN_OR_RETURN(Value left, evaluate(*expression.parts[0], scope));
  for (size_t i = 0; i < expression.names.size(); ++i) {
    FT_ASSIGN_OR_RETURN(Value right, evaluate(*expression.parts[i + 1], scope));
    const auto holds = compare(context, expression.names[i], left, right);
    if (!holds)
      return placed(expression.at, holds.status());
    if (!*holds)
      return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Expected<Value> Evaluator::evaluateConcat(const Expression &expression, Scope &scope) {
  std::string out;
  for (const ExpressionPtr &part : expression.parts) {
    FT_ASSIGN_OR_RETURN(const Value value, evaluate(*part, scope));
    if (Status status = context.budget.spend(value.weight()); !status.ok())
      return placed(expression.at, status);
    const auto text = printed(value);
    if (!text)
      return placed(part->at, text.status());
    out += *text;
  }
  return Value(std::move(out));
}

Expected<Arguments> Evaluator::evaluateArguments(const Expression &call, Scope &scope) {
  Arguments arguments;
  for (size_t i = 1; i < call.parts.size(); ++i) {
    FT_ASSIGN_OR_RETURN(Value value, evaluate(*call.parts[i], scope));
    arguments.positional.push_back(std::move(value));
  }
  for (const auto &[name, part] : call.named) {
    FT_ASSIGN_OR_RETURN(Value value, evaluate(*part, scope));
    arguments.named.emplace_back(name, std::move(value));
  }
  return arguments;
}

Expected<Value> Evaluator::evaluateFilter(const Expression &expression, const Value *block, Scope &scope) {
  const ExpressionPtr &inner = expression.parts[0];
  Value input;
  if (!inner) {
    input = *block;
  } else if (block) {
    FT_ASSIGN_OR_RETURN(input, evaluateFilter(*inner, block, scope));
  } else {
    FT_ASSIGN_OR_RETURN(input, evaluate(*inner, scope));
  }
  FT_ASSIGN_OR_RETURN(const Arguments arguments, evaluateArguments(expression, scope));
  auto result = applyFilter(context, expression.name, input, arguments);
  return result ? std::move(result) : placed(expression.at, result.status());
}

} // namespace ft::rt::jinja
