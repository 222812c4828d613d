#include "runtime/Template/Evaluator.h"
#include "runtime/Template/Print.h"
#include "runtime/Template/Token.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt::jinja {

namespace {
using Kind = Statement::Kind;

Expected<Value> cycleLoop(Context &, const Value &self, const Arguments &arguments) {
  return static_cast<const Loop &>(*self.object()).cycle(arguments);
}
Expected<Value> changedLoop(Context &context, const Value &self, const Arguments &arguments) {
  for (const Value &value : arguments.positional)
    FT_RETURN_IF_ERROR(context.budget.spend(value.weight()));
  return Value(static_cast<Loop &>(*self.object()).changed(context, arguments));
}
} // namespace

//===-- scopes and loops ----------------------------------------------------------------------------------------===//

const Value *Scope::find(std::string_view name) const {
  for (const Scope *scope = this; scope; scope = scope->outer)
    for (const auto &[own, value] : scope->values)
      if (own == name)
        return &value;
  return nullptr;
}

void Scope::set(std::string_view name, Value value) {
  for (auto &[own, held] : values)
    if (own == name) {
      held = std::move(value);
      return;
    }
  values.emplace_back(name, std::move(value));
}

Expected<std::shared_ptr<Loop>> Loop::over(const std::vector<Value> &items) {
  uint32_t deep = 0;
  for (const Value &item : items)
    deep = std::max(deep, item.depth() + 1);
  // A list of them is as deep, so these are only loops over loops.
  if (deep > Value::MaxDepth)
    return badInput(fmt::format("a loop is nested more than {} deep in loops", Value::MaxDepth));
  return std::shared_ptr<Loop>(new Loop(items, deep));
}

std::optional<Value> Loop::attribute(std::string_view name) {
  const auto at = int64_t(index), size = int64_t(items.size());
  const std::pair<std::string_view, int64_t> numbers[] = {
      {"index", at + 1}, {"index0", at}, {"revindex", size - at}, {"revindex0", size - at - 1}, {"length", size},
      {"depth", 1},      {"depth0", 0}}; // depth is of recursive loops
  for (const auto &[known, number] : numbers)
    if (known == name)
      return Value(number);
  if (name == "first" || name == "last")
    return Value(name == "first" ? at == 0 : at + 1 == size);
  if (name == "previtem")
    return at > 0 ? items[index - 1] : Value::undefined("the item before the first");
  if (name == "nextitem")
    return at + 1 < size ? items[index + 1] : Value::undefined("the item behind the last");
  if (name == "cycle" || name == "changed")
    return Value(std::static_pointer_cast<Object>(std::make_shared<Function>(
        name == "cycle" ? "cycle" : "changed", Value(std::static_pointer_cast<Object>(shared_from_this())),
        name == "cycle" ? cycleLoop : changedLoop)));
  return std::nullopt;
}

Expected<Value> Loop::cycle(const Arguments &arguments) const {
  if (arguments.positional.empty() || !arguments.named.empty())
    return badInput("cycle takes one value or more");
  return arguments.positional[index % arguments.positional.size()];
}

bool Loop::changed(Context &context, const Arguments &arguments) {
  if (!last)
    context.changing.push_back(shared_from_this());
  const bool differs = !last || !(*last == arguments.positional);
  last = arguments.positional;
  return differs;
}

//===-- statements ----------------------------------------------------------------------------------------------===//

Evaluator::Evaluator(std::string_view source, std::optional<std::tm> now, uint64_t work)
    : source(source), context{Budget(work), now, {}} {}

Evaluator::~Evaluator() {
  for (const auto &made : context.changing)
    made->clear();
}

Status Evaluator::enter(size_t at, uint64_t work) {
  if (Status status = context.budget.spend(work); !status.ok())
    return placed(at, status);
  if (++depth > MaxDepth)
    return placed(
        at, badInput(fmt::format("nested more than {} levels deep; macros may call each other without end", MaxDepth)));
  return {};
}

Status Evaluator::placed(size_t at, const Status &status) const {
  return status.ok() ? status : Status(status.code(), fmt::format("{}: {}", placeOf(source, at), status.message()));
}

Expected<std::string> Evaluator::render(const Body &body, const Variables &variables) {
  for (const auto &[name, value] : variables)
    top.set(name, value);
  std::string out;
  FT_RETURN_IF_ERROR(run(body, top, out).status());
  return out;
}

Expected<Evaluator::Flow> Evaluator::run(const Body &body, Scope &scope, std::string &out) {
  for (const Statement &statement : body) {
    FT_ASSIGN_OR_RETURN(const Flow flow, run(statement, scope, out));
    if (flow != Flow::Normal)
      return flow;
  }
  return Flow::Normal;
}

/// What a block puts out, in a scope of its own.
Expected<std::string> Evaluator::runBlock(const Body &body, Scope &scope) {
  Scope inner(&scope);
  std::string out;
  FT_RETURN_IF_ERROR(run(body, inner, out).status());
  return out;
}

Expected<Evaluator::Flow> Evaluator::run(const Statement &statement, Scope &scope, std::string &out) {
  FT_RETURN_IF_ERROR(enter(statement.at, 1 + statement.text.size()));
  Expected<Flow> flow = Flow::Normal;
  switch (statement.kind) {
  case Kind::Text:
    out += statement.text;
    break;
  case Kind::Print: {
    FT_ASSIGN_OR_RETURN(const Value value, evaluate(*statement.value, scope));
    const Status spent = context.budget.spend(value.weight());
    const auto text = spent.ok() ? printed(value) : Expected<std::string>(spent);
    if (!text)
      return placed(statement.at, text.status());
    out += *text;
    break;
  }
  case Kind::If: {
    size_t branch = 0;
    for (; branch < statement.conditions.size(); ++branch) {
      FT_ASSIGN_OR_RETURN(const Value condition, evaluate(*statement.conditions[branch], scope));
      if (condition.truthy())
        break;
    }
    if (branch < statement.bodies.size())
      flow = run(statement.bodies[branch], scope, out);
    break;
  }
  case Kind::For:
    flow = runFor(statement, scope, out);
    break;
  case Kind::Set:
    FT_RETURN_IF_ERROR(runSet(statement, scope));
    break;
  case Kind::Macro:
    scope.set(statement.text, Value(std::static_pointer_cast<Object>(std::make_shared<Macro>(statement))));
    break;
  case Kind::Filter: {
    FT_ASSIGN_OR_RETURN(std::string text, runBlock(statement.bodies[0], scope));
    const Value block(std::move(text));
    FT_ASSIGN_OR_RETURN(const Value value, evaluateFilter(*statement.value, &block, scope));
    auto filtered = printed(value);
    if (!filtered)
      return placed(statement.at, filtered.status());
    out += *filtered;
    break;
  }
  case Kind::Scope: {
    FT_ASSIGN_OR_RETURN(const std::string text, runBlock(statement.bodies[0], scope));
    out += text;
    break;
  }
  case Kind::Call:
    FT_RETURN_IF_ERROR(runCall(statement, scope, out));
    break;
  case Kind::With:
    flow = runWith(statement, scope, out);
    break;
  case Kind::Break:
  case Kind::Continue:
    flow = statement.kind == Kind::Break ? Flow::Break : Flow::Continue;
    break;
  }
  --depth;
  return flow;
}

Expected<Evaluator::Flow> Evaluator::runFor(const Statement &statement, Scope &scope, std::string &out) {
  FT_ASSIGN_OR_RETURN(const Value value, evaluate(*statement.value, scope));
  auto items = iterate(value);
  if (Status status = items ? context.budget.spend(items->size()) : items.status(); !status.ok())
    return placed(statement.value->at, status);
  if (statement.condition) {
    std::vector<Value> kept;
    for (const Value &item : *items) {
      Scope inner(&scope);
      FT_RETURN_IF_ERROR(assign(statement.target, item, statement.at, inner));
      FT_ASSIGN_OR_RETURN(const Value condition, evaluate(*statement.condition, inner));
      if (condition.truthy())
        kept.push_back(item);
    }
    *items = std::move(kept);
  }
  if (items->empty())
    return statement.bodies.size() > 1 ? run(statement.bodies[1], scope, out) : Flow::Normal;
  const auto over = Loop::over(*items);
  if (!over)
    return placed(statement.value->at, over.status());
  const std::shared_ptr<Loop> &loop = *over;
  for (size_t i = 0; i < items->size(); ++i) {
    loop->moveTo(i);
    Scope inner(&scope);
    inner.set("loop", Value(std::static_pointer_cast<Object>(loop)));
    FT_RETURN_IF_ERROR(assign(statement.target, (*items)[i], statement.at, inner));
    FT_ASSIGN_OR_RETURN(const Flow flow, run(statement.bodies[0], inner, out));
    if (flow == Flow::Break)
      break;
  }
  return Flow::Normal;
}

Status Evaluator::runSet(const Statement &statement, Scope &scope) {
  if (statement.bodies.empty()) {
    FT_ASSIGN_OR_RETURN(const Value value, evaluate(*statement.value, scope));
    return assign(statement.target, value, statement.at, scope);
  }
  FT_ASSIGN_OR_RETURN(std::string text, runBlock(statement.bodies[0], scope));
  Value value(std::move(text));
  if (statement.value) {
    const Value block = value;
    FT_ASSIGN_OR_RETURN(value, evaluateFilter(*statement.value, &block, scope));
  }
  return assign(statement.target, value, statement.at, scope);
}

Status Evaluator::assign(const Target &target, const Value &value, size_t at, Scope &scope) {
  if (!target.attribute.empty()) {
    const Value *held = scope.find(target.name);
    auto *space = held && held->is(Value::Kind::Object) ? dynamic_cast<Namespace *>(held->object().get()) : nullptr;
    if (!space)
      return placed(at,
                    badInput(fmt::format("{} is no namespace; only a namespace's attributes can be set", target.name)));
    space->set(target.attribute, value);
    return {};
  }
  if (target.parts.empty()) {
    scope.set(target.name, value);
    return {};
  }
  auto items = iterate(value);
  if (!items)
    return placed(at, items.status());
  if (items->size() != target.parts.size())
    return placed(at, badInput(fmt::format("{} values for {} variables", items->size(), target.parts.size())));
  for (size_t i = 0; i < items->size(); ++i)
    FT_RETURN_IF_ERROR(assign(target.parts[i], (*items)[i], at, scope));
  return {};
}

} // namespace ft::rt::jinja
