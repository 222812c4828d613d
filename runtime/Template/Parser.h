// Template text to its tree.
#pragma once

#include "runtime/Template/Syntax.h"
#include "runtime/Template/Token.h"

#include <string>
#include <vector>

namespace ft::rt::jinja {

/// Follows Jinja's grammar (its parser.py) for what chat templates use; other statements are refused by name. Errors
/// start with their place. Nesting is bounded by MaxDepth.
class Parser {
public:
  static constexpr uint32_t MaxDepth = 200;

  Parser(std::string_view source, std::vector<Token> tokens) : source(source), tokens(std::move(tokens)) {}
  Expected<Body> parse();

private:
  // Statements.
  Expected<Body> parseBody(std::initializer_list<std::string_view> ends);
  Expected<Body> parseBlock(std::initializer_list<std::string_view> ends);
  /// The body of a block that opens a scope, up to behind its end. `known`: names unknown before the block.
  Status parseScope(Statement &statement, std::string_view end, size_t known);
  Expected<Statement> parseStatement();
  Status parseIf(Statement &statement);
  Status parseFor(Statement &statement);
  Status parseSet(Statement &statement);
  Status parseMacro(Statement &statement);
  Status parseCallBlock(Statement &statement);
  Status parseWith(Statement &statement);
  Status parseParameters(Statement &statement);
  Status parseFilterBlock(Statement &statement);
  Expected<Target> parseTarget(bool attributes);
  Expected<Target> parseOneTarget(bool attributes);
  Status endBlock();

  // Expressions, from the loosest to the tightest.
  Expected<ExpressionPtr> parseTuple(bool conditional = true, bool parentheses = false);
  Expected<ExpressionPtr> parseExpression(bool conditional = true);
  Expected<ExpressionPtr> parseConditional();
  Expected<ExpressionPtr> parseOr();
  Expected<ExpressionPtr> parseAnd();
  Expected<ExpressionPtr> parseNot();
  Expected<ExpressionPtr> parseCompare();
  Expected<ExpressionPtr> parseSum();
  Expected<ExpressionPtr> parseConcat();
  Expected<ExpressionPtr> parseProduct();
  Expected<ExpressionPtr> parsePower();
  Expected<ExpressionPtr> parseOperand();
  Expected<ExpressionPtr> parseUnary(bool filters = true);
  Expected<ExpressionPtr> parsePrimary();
  Expected<ExpressionPtr> parseNumber();
  Expected<ExpressionPtr> parseDisplay(Expression::Kind kind, std::string_view end);
  Expected<ExpressionPtr> parsePostfix(ExpressionPtr node);
  Expected<ExpressionPtr> parseFilters(ExpressionPtr node);
  Expected<ExpressionPtr> parseFilter(ExpressionPtr node);
  Expected<ExpressionPtr> parseTest(ExpressionPtr node);
  Expected<ExpressionPtr> parseAttribute(ExpressionPtr node);
  Expected<ExpressionPtr> parseSubscript(ExpressionPtr node);
  Expected<ExpressionPtr> parseCall(ExpressionPtr node);
  Status parseArguments(Expression &call);
  using Rule = Expected<ExpressionPtr> (Parser::*)();
  Expected<ExpressionPtr> parseLeft(Rule operand, std::initializer_list<std::string_view> operators,
                                    Expression::Kind kind);

  // Tokens.
  const Token &current() const { return tokens[position]; }
  const Token &ahead() const { return tokens[std::min(position + 1, tokens.size() - 1)]; }
  void step() { position += position + 1 < tokens.size(); }
  bool isOperator(std::string_view text) const { return current().is(Token::Kind::Operator, text); }
  bool isName(std::string_view text) const { return current().is(Token::Kind::Name, text); }
  bool takeOperator(std::string_view text);
  bool takeName(std::string_view text);
  Status expectOperator(std::string_view text);
  Expected<std::string> expectName(std::string_view what);
  Status unexpected(std::string_view wanted) const;
  Status error(size_t at, const std::string &what) const;

  // Names of filters and tests that there are not.
  struct Unknown {
    size_t at;
    std::string what;
  };
  /// Jinja finds them where a template is read; but in an if statement or an if expression, apart from loops and other
  /// scopes inside of it, where they are evaluated.
  void forgiveUnknown(size_t since) { unknown.erase(unknown.begin() + ptrdiff_t(since), unknown.end()); }
  Status refuseUnknown(size_t since) const;

  // Nodes.
  static std::unique_ptr<Expression> node(Expression::Kind kind, size_t at);
  Expected<ExpressionPtr> finish(std::unique_ptr<Expression> node) const;

  std::string_view source;
  std::vector<Token> tokens;
  size_t position = 0;
  std::vector<Unknown> unknown;              ///< so far, in the template's order
  uint32_t depth = 0, loops = 0, nested = 0; ///< loops and other scopes around the current statement
};

} // namespace ft::rt::jinja
