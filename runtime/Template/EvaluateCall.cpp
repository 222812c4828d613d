// Calls of macros and functions, and the blocks that are passed to them.
#include "runtime/Template/Evaluator.h"
#include "runtime/Template/Print.h"

#include <fmt/format.h>

namespace ft::rt::jinja {

Expected<Value> Evaluator::evaluateCall(const Expression &expression, Scope &scope, const Value *caller) {
  FT_ASSIGN_OR_RETURN(const Value callee, evaluate(*expression.parts[0], scope));
  FT_ASSIGN_OR_RETURN(const Arguments arguments, evaluateArguments(expression, scope));
  if (callee.is(Value::Kind::Object)) {
    if (const auto *macro = dynamic_cast<const Macro *>(callee.object().get()))
      return callMacro(macro->definition(), arguments, expression.at, top, caller);
    if (caller)
      return placed(expression.at, badInput("a call block calls a macro of the template"));
    if (const auto *block = dynamic_cast<const Caller *>(callee.object().get()); block && block->around())
      return callMacro(block->definition(), arguments, expression.at, *block->around(), nullptr);
    if (const auto *function = dynamic_cast<const Function *>(callee.object().get())) {
      auto result = function->call(context, arguments);
      return result ? std::move(result) : placed(expression.at, result.status());
    }
  }
  return placed(expression.at, badInput(callee.is(Value::Kind::Undefined)
                                            ? fmt::format("{} is undefined", callee.undefinedName())
                                            : fmt::format("a {} cannot be called",
                                                          callee.is(Value::Kind::Object)
                                                              ? callee.object()->kindName()
                                                              : fmt::format("value of type {}", callee.typeName()))));
}

Status Evaluator::runCall(const Statement &statement, Scope &scope, std::string &out) {
  const auto caller = std::make_shared<Caller>(statement, scope);
  const Value given(std::static_pointer_cast<Object>(caller));
  FT_RETURN_IF_ERROR(enter(statement.value->at, 1)); // as every call of a macro is an expression's
  const auto value = evaluateCall(*statement.value, scope, &given);
  --depth;
  caller->end();
  if (!value)
    return value.status();
  const auto text = printed(*value);
  if (text)
    out += *text;
  return placed(statement.at, text.status());
}

Expected<Evaluator::Flow> Evaluator::runWith(const Statement &statement, Scope &scope, std::string &out) {
  Scope inner(&scope);
  for (const auto &[name, expression] : statement.parameters) {
    FT_ASSIGN_OR_RETURN(Value value, evaluate(*expression, scope));
    inner.set(name, std::move(value));
  }
  return run(statement.bodies[0], inner, out);
}

Expected<Value> Evaluator::callMacro(const Statement &macro, const Arguments &arguments, size_t at, Scope &outer,
                                     const Value *caller) {
  if (arguments.positional.size() > macro.parameters.size())
    return placed(at, badInput(fmt::format("macro {} takes at most {} arguments; {} are given", macro.text,
                                           macro.parameters.size(), arguments.positional.size())));
  Scope inner(&outer);
  FT_ASSIGN_OR_RETURN(Value nothing, Value::of(Value::Kind::Tuple, {}));
  inner.set("varargs", std::move(nothing)); // more than there are parameters is refused
  FT_ASSIGN_OR_RETURN(nothing, Value::of(Value::Kind::Dict, {}));
  inner.set("kwargs", std::move(nothing));
  inner.set("caller", caller ? *caller : Value::undefined("'caller'"));
  size_t named = 0;
  for (size_t i = 0; i < macro.parameters.size(); ++i) {
    const auto &[name, fallback] = macro.parameters[i];
    std::optional<Value> value;
    if (i < arguments.positional.size())
      value = arguments.positional[i];
    for (const auto &[given, held] : arguments.named)
      if (given == name) {
        if (value)
          return placed(at, badInput(fmt::format("macro {}: argument {} is given twice", macro.text, name)));
        value = held;
        ++named;
      }
    if (!value && fallback) {
      FT_ASSIGN_OR_RETURN(value, evaluate(*fallback, inner));
    }
    inner.set(name, value ? std::move(*value) : Value::undefined(fmt::format("parameter '{}'", name)));
  }
  if (named < arguments.named.size())
    return placed(at, badInput(fmt::format("macro {} has no parameter of a name that is given", macro.text)));
  std::string out;
  FT_RETURN_IF_ERROR(run(macro.bodies[0], inner, out).status());
  return Value(std::move(out));
}

} // namespace ft::rt::jinja
