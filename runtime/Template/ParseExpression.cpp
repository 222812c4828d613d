#include "runtime/Template/Parser.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace ft::rt::jinja {

using Kind = Expression::Kind;

std::unique_ptr<Expression> Parser::node(Kind kind, size_t at) {
  auto made = std::make_unique<Expression>();
  made->kind = kind;
  made->at = uint32_t(at);
  return made;
}

/// Chains (a + b + …, a.b.c…) nest to the left without recursion here: what is deep is refused when it is made.
Expected<ExpressionPtr> Parser::finish(std::unique_ptr<Expression> made) const {
  for (const ExpressionPtr &part : made->parts)
    made->depth = std::max(made->depth, part ? part->depth + 1 : 1);
  for (const auto &[name, part] : made->named)
    made->depth = std::max(made->depth, part->depth + 1);
  if (made->depth > MaxDepth)
    return error(made->at, fmt::format("an expression is nested more than {} deep", MaxDepth));
  return ExpressionPtr(std::move(made));
}

Expected<ExpressionPtr> Parser::parseTuple(bool conditional, bool parentheses) {
  auto tuple = node(Kind::Tuple, current().at);
  bool comma = false;
  while (true) {
    const bool ends = current().kind == Token::Kind::VariableEnd || current().kind == Token::Kind::BlockEnd ||
                      isOperator(")") || isName("recursive");
    if (ends)
      break;
    FT_ASSIGN_OR_RETURN(ExpressionPtr part, parseExpression(conditional));
    tuple->parts.push_back(std::move(part));
    if (!takeOperator(","))
      break;
    comma = true;
  }
  if (!comma && tuple->parts.size() == 1)
    return std::move(tuple->parts[0]);
  if (tuple->parts.empty() && !parentheses)
    return unexpected("an expression");
  return finish(std::move(tuple));
}

Expected<ExpressionPtr> Parser::parseExpression(bool conditional) {
  if (++depth > MaxDepth)
    return error(current().at, fmt::format("an expression is nested more than {} deep", MaxDepth));
  auto result = conditional ? parseConditional() : parseOr();
  --depth;
  return result;
}

Expected<ExpressionPtr> Parser::parseConditional() {
  const size_t known = unknown.size();
  FT_ASSIGN_OR_RETURN(ExpressionPtr value, parseOr());
  while (isName("if")) {
    auto choice = node(Kind::Conditional, current().at);
    step();
    FT_ASSIGN_OR_RETURN(ExpressionPtr condition, parseOr());
    ExpressionPtr otherwise;
    if (takeName("else")) {
      FT_ASSIGN_OR_RETURN(otherwise, parseExpression());
    }
    forgiveUnknown(known);
    choice->parts.push_back(std::move(value));
    choice->parts.push_back(std::move(condition));
    choice->parts.push_back(std::move(otherwise));
    FT_ASSIGN_OR_RETURN(value, finish(std::move(choice)));
  }
  return value;
}

/// Operators of one rank, from the left.
Expected<ExpressionPtr> Parser::parseLeft(Rule operand, std::initializer_list<std::string_view> operators, Kind kind) {
  FT_ASSIGN_OR_RETURN(ExpressionPtr left, (this->*operand)());
  while (current().kind == (kind == Kind::Binary ? Token::Kind::Operator : Token::Kind::Name) &&
         std::find(operators.begin(), operators.end(), current().text) != operators.end()) {
    auto both = node(kind, current().at);
    both->name = current().text;
    step();
    FT_ASSIGN_OR_RETURN(ExpressionPtr right, (this->*operand)());
    both->parts.push_back(std::move(left));
    both->parts.push_back(std::move(right));
    FT_ASSIGN_OR_RETURN(left, finish(std::move(both)));
  }
  return left;
}

Expected<ExpressionPtr> Parser::parseOr() { return parseLeft(&Parser::parseAnd, {"or"}, Kind::Or); }
Expected<ExpressionPtr> Parser::parseAnd() { return parseLeft(&Parser::parseNot, {"and"}, Kind::And); }
Expected<ExpressionPtr> Parser::parseSum() { return parseLeft(&Parser::parseConcat, {"+", "-"}, Kind::Binary); }
Expected<ExpressionPtr> Parser::parseProduct() {
  return parseLeft(&Parser::parsePower, {"*", "/", "//", "%"}, Kind::Binary);
}
/// From the left, as in Jinja.
Expected<ExpressionPtr> Parser::parsePower() { return parseLeft(&Parser::parseOperand, {"**"}, Kind::Binary); }
Expected<ExpressionPtr> Parser::parseOperand() { return parseUnary(); }

Expected<ExpressionPtr> Parser::parseNot() {
  if (!isName("not"))
    return parseCompare();
  auto negated = node(Kind::Not, current().at);
  step();
  if (++depth > MaxDepth)
    return error(negated->at, fmt::format("an expression is nested more than {} deep", MaxDepth));
  FT_ASSIGN_OR_RETURN(ExpressionPtr value, parseNot());
  --depth;
  negated->parts.push_back(std::move(value));
  return finish(std::move(negated));
}

Expected<ExpressionPtr> Parser::parseCompare() {
  FT_ASSIGN_OR_RETURN(ExpressionPtr first, parseSum());
  auto chain = node(Kind::Compare, first->at);
  chain->parts.push_back(std::move(first));
  while (true) {
    std::string comparison;
    for (std::string_view text : {"==", "!=", "<=", ">=", "<", ">"})
      if (comparison.empty() && isOperator(text))
        comparison = text;
    if (isName("in"))
      comparison = "in";
    if (isName("not") && ahead().is(Token::Kind::Name, "in")) {
      comparison = "not in";
      step();
    }
    if (comparison.empty())
      break;
    step();
    FT_ASSIGN_OR_RETURN(ExpressionPtr next, parseSum());
    chain->names.push_back(std::move(comparison));
    chain->parts.push_back(std::move(next));
  }
  if (chain->names.empty())
    return std::move(chain->parts[0]);
  return finish(std::move(chain));
}

Expected<ExpressionPtr> Parser::parseConcat() {
  FT_ASSIGN_OR_RETURN(ExpressionPtr first, parseProduct());
  if (!isOperator("~"))
    return first;
  auto joined = node(Kind::Concat, current().at);
  joined->parts.push_back(std::move(first));
  while (takeOperator("~")) {
    FT_ASSIGN_OR_RETURN(ExpressionPtr next, parseProduct());
    joined->parts.push_back(std::move(next));
  }
  return finish(std::move(joined));
}

Expected<ExpressionPtr> Parser::parseUnary(bool filters) {
  ExpressionPtr value;
  if (isOperator("-") || isOperator("+")) {
    auto sign = node(isOperator("-") ? Kind::Negative : Kind::Positive, current().at);
    step();
    if (++depth > MaxDepth)
      return error(sign->at, fmt::format("an expression is nested more than {} deep", MaxDepth));
    FT_ASSIGN_OR_RETURN(ExpressionPtr operand, parseUnary(/*filters=*/false));
    --depth;
    sign->parts.push_back(std::move(operand));
    FT_ASSIGN_OR_RETURN(value, finish(std::move(sign)));
  } else {
    FT_ASSIGN_OR_RETURN(value, parsePrimary());
  }
  FT_ASSIGN_OR_RETURN(value, parsePostfix(std::move(value)));
  return filters ? parseFilters(std::move(value)) : Expected<ExpressionPtr>(std::move(value));
}

Expected<ExpressionPtr> Parser::parseNumber() {
  auto constant = node(Kind::Constant, current().at);
  const std::string &text = current().text;
  if (current().kind == Token::Kind::Integer) {
    int64_t value = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (problem != std::errc())
      return error(constant->at, fmt::format("the number {} is too large; at most 2^63 - 1", text.substr(0, 40)));
    constant->constant = Value(value);
  } else {
    double value = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc())
      return error(constant->at, fmt::format("the number {} is beyond a double's range", text.substr(0, 40)));
    constant->constant = Value(value);
  }
  step();
  return finish(std::move(constant));
}

Expected<ExpressionPtr> Parser::parsePrimary() {
  const Token token = current();
  switch (token.kind) {
  case Token::Kind::Name: {
    step();
    auto name = node(Kind::Name, token.at);
    name->name = token.text;
    const bool yes = token.text == "true" || token.text == "True", no = token.text == "false" || token.text == "False";
    const bool none = token.text == "none" || token.text == "None";
    if (yes || no || none) {
      name->kind = Kind::Constant;
      name->constant = none ? Value::none() : Value(yes);
    }
    return finish(std::move(name));
  }
  case Token::Kind::Text: {
    auto constant = node(Kind::Constant, token.at);
    std::string text;
    for (; current().kind == Token::Kind::Text; step()) // texts behind each other are one
      text += current().text;
    constant->constant = Value(std::move(text));
    return finish(std::move(constant));
  }
  case Token::Kind::Integer:
  case Token::Kind::Real:
    return parseNumber();
  default:
    break;
  }
  if (takeOperator("(")) {
    FT_ASSIGN_OR_RETURN(ExpressionPtr inner, parseTuple(/*conditional=*/true, /*parentheses=*/true));
    FT_RETURN_IF_ERROR(expectOperator(")"));
    return inner;
  }
  if (isOperator("["))
    return parseDisplay(Kind::List, "]");
  if (isOperator("{"))
    return parseDisplay(Kind::Dict, "}");
  return unexpected("an expression");
}

Expected<ExpressionPtr> Parser::parseDisplay(Kind kind, std::string_view end) {
  auto display = node(kind, current().at);
  step();
  while (!isOperator(end)) {
    if (!display->parts.empty())
      FT_RETURN_IF_ERROR(expectOperator(","));
    if (isOperator(end))
      break;
    FT_ASSIGN_OR_RETURN(ExpressionPtr part, parseExpression());
    display->parts.push_back(std::move(part));
    if (kind == Kind::Dict) {
      FT_RETURN_IF_ERROR(expectOperator(":"));
      FT_ASSIGN_OR_RETURN(ExpressionPtr value, parseExpression());
      display->parts.push_back(std::move(value));
    }
  }
  step();
  return finish(std::move(display));
}

} // namespace ft::rt::jinja
