// Renders a template's tree.
#pragma once

#include "runtime/Template/Builtins.h"
#include "runtime/Template/Syntax.h"

namespace ft::rt::jinja {

/// Variables of one level: the template's own, of one iteration of a loop, of one call of a macro.
class Scope {
public:
  explicit Scope(Scope *outer) : outer(outer) {}
  /// Null where no level has it.
  const Value *find(std::string_view name) const;
  void set(std::string_view name, Value value); ///< on this level

private:
  Scope *outer;
  std::vector<std::pair<std::string, Value>> values;
};

/// What goes into a template.
using Variables = std::vector<std::pair<std::string, Value>>;

/// One rendering. Bounded: the work by a budget, nesting by MaxDepth. EvaluateStatement.cpp walks over statements,
/// EvaluateExpression.cpp over expressions.
class Evaluator {
public:
  /// Levels of the tree that are walked at once, macros in macros included. Together they take less than 4 MiB of the
  /// stack under AddressSanitizer.
  static constexpr uint32_t MaxDepth = 400;
  static constexpr uint64_t Work = uint64_t(1) << 24;

  /// `source` is for the places of errors.
  Evaluator(std::string_view source, std::optional<std::tm> now, uint64_t work);
  ~Evaluator();
  Expected<std::string> render(const Body &body, const Variables &variables);

private:
  enum class Flow : uint8_t { Normal, Break, Continue };

  Expected<Flow> run(const Body &body, Scope &scope, std::string &out);
  Expected<Flow> run(const Statement &statement, Scope &scope, std::string &out);
  Expected<Flow> runFor(const Statement &statement, Scope &scope, std::string &out);
  Status runSet(const Statement &statement, Scope &scope);
  Status assign(const Target &target, const Value &value, size_t at, Scope &scope);
  Expected<std::string> runBlock(const Body &body, Scope &scope);
  Status runCall(const Statement &statement, Scope &scope, std::string &out);
  Expected<Flow> runWith(const Statement &statement, Scope &scope, std::string &out);
  /// `outer`: what its body sees beside its parameters. `caller` may be null.
  Expected<Value> callMacro(const Statement &macro, const Arguments &arguments, size_t at, Scope &outer,
                            const Value *caller);

  Expected<Value> evaluate(const Expression &expression, Scope &scope);
  Expected<Value> evaluateNode(const Expression &expression, Scope &scope);
  Expected<Value> evaluateName(const Expression &expression, Scope &scope);
  Expected<Value> evaluateItems(const Expression &expression, Scope &scope);
  Expected<Value> evaluateCompare(const Expression &expression, Scope &scope);
  Expected<Value> evaluateConcat(const Expression &expression, Scope &scope);
  /// `caller`: of a call block, which calls a macro; else null.
  Expected<Value> evaluateCall(const Expression &expression, Scope &scope, const Value *caller = nullptr);
  Expected<Value> evaluateSlice(const Expression &expression, Scope &scope);
  /// A filter whose input is `block` where parts[0] is null at the chain's start.
  Expected<Value> evaluateFilter(const Expression &expression, const Value *block, Scope &scope);
  Expected<Arguments> evaluateArguments(const Expression &call, Scope &scope);

  /// One level deeper into the tree, for `work` steps of the budget.
  Status enter(size_t at, uint64_t work);
  /// The place of what failed without one.
  Status placed(size_t at, const Status &status) const;

  std::string_view source;
  Context context;
  Scope top{nullptr};
  uint32_t depth = 0;
};

/// A macro of the template that is rendered.
class Macro : public Object {
public:
  explicit Macro(const Statement &statement) : statement(statement) {}
  std::string kindName() const override { return "macro " + statement.text; }
  bool callable() const override { return true; }
  const Statement &definition() const { return statement; }

private:
  const Statement &statement;
};

/// The body of a call block, as the macro sees it that is called: it sees what is around the block.
class Caller : public Object {
public:
  Caller(const Statement &statement, Scope &scope) : statement(statement), scope(&scope) {}
  std::string kindName() const override { return "caller"; }
  bool callable() const override { return true; }
  const Statement &definition() const { return statement; }
  /// Null behind the block, which a namespace may carry it to.
  Scope *around() const { return scope; }
  void end() { scope = nullptr; }

private:
  const Statement &statement;
  Scope *scope;
};

/// `loop` inside of a for loop.
class Loop : public Mutable, public std::enable_shared_from_this<Loop> {
public:
  /// Fails where the items are nested too deep for one level more.
  static Expected<std::shared_ptr<Loop>> over(const std::vector<Value> &items);
  std::string kindName() const override { return "loop"; }
  uint32_t depth() const override { return deep; }
  void clear() override { last.reset(); }
  std::optional<Value> attribute(std::string_view name) override;
  void moveTo(size_t item) { index = item; }
  /// loop.cycle(a, b): one of the arguments after the other.
  Expected<Value> cycle(const Arguments &arguments) const;
  /// loop.changed(value): not what it was when it was asked last.
  bool changed(Context &context, const Arguments &arguments);

private:
  Loop(const std::vector<Value> &items, uint32_t deep) : items(items), deep(deep) {}
  std::vector<Value> items; ///< a copy: a loop may outlive its iteration in a namespace
  uint32_t deep;
  size_t index = 0;
  std::optional<std::vector<Value>> last;
};

} // namespace ft::rt::jinja
