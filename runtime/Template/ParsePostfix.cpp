// What stands behind a value: attributes, items, calls, filters, tests.
#include "runtime/Template/Parser.h"

#include "runtime/Template/Builtins.h"

#include <fmt/format.h>

namespace ft::rt::jinja {

using Kind = Expression::Kind;

Expected<ExpressionPtr> Parser::parsePostfix(ExpressionPtr value) {
  while (true) {
    if (isOperator(".")) {
      FT_ASSIGN_OR_RETURN(value, parseAttribute(std::move(value)));
    } else if (isOperator("[")) {
      FT_ASSIGN_OR_RETURN(value, parseSubscript(std::move(value)));
    } else if (isOperator("(")) {
      FT_ASSIGN_OR_RETURN(value, parseCall(std::move(value)));
    } else {
      return value;
    }
  }
}

/// `value` is null where a block is the filters' input.
Expected<ExpressionPtr> Parser::parseFilters(ExpressionPtr value) {
  while (true) {
    if (takeOperator("|")) {
      FT_ASSIGN_OR_RETURN(value, parseFilter(std::move(value)));
    } else if (value && isName("is")) {
      FT_ASSIGN_OR_RETURN(value, parseTest(std::move(value)));
    } else if (value && isOperator("(")) {
      FT_ASSIGN_OR_RETURN(value, parseCall(std::move(value)));
    } else {
      return value;
    }
  }
}

Expected<ExpressionPtr> Parser::parseAttribute(ExpressionPtr value) {
  auto made = node(Kind::Attribute, current().at);
  step();
  made->parts.push_back(std::move(value));
  if (current().kind == Token::Kind::Integer) {
    made->kind = Kind::Item;
    FT_ASSIGN_OR_RETURN(ExpressionPtr index, parseNumber());
    made->parts.push_back(std::move(index));
    return finish(std::move(made));
  }
  FT_ASSIGN_OR_RETURN(made->name, expectName("an attribute's name"));
  return finish(std::move(made));
}

Expected<ExpressionPtr> Parser::parseSubscript(ExpressionPtr value) {
  auto made = node(Kind::Item, current().at);
  step();
  made->parts.push_back(std::move(value));
  for (bool more = true; more;) {
    ExpressionPtr part;
    if (!isOperator(":") && !isOperator("]")) {
      FT_ASSIGN_OR_RETURN(part, parseExpression());
    }
    made->parts.push_back(std::move(part));
    if (isOperator(","))
      return error(current().at, "an item has one index; several are not supported");
    more = made->parts.size() < 4 && takeOperator(":");
    if (more)
      made->kind = Kind::Slice;
  }
  if (made->kind == Kind::Item && !made->parts[1])
    return unexpected("an index");
  FT_RETURN_IF_ERROR(expectOperator("]"));
  if (made->kind == Kind::Slice)
    made->parts.resize(4);
  return finish(std::move(made));
}

Status Parser::parseArguments(Expression &call) {
  FT_RETURN_IF_ERROR(expectOperator("("));
  for (bool first = true; !isOperator(")"); first = false) {
    if (!first)
      FT_RETURN_IF_ERROR(expectOperator(","));
    if (isOperator(")"))
      break;
    if (isOperator("*") || isOperator("**"))
      return error(current().at, "arguments from a list or a dict are not supported");
    if (current().kind == Token::Kind::Name && ahead().is(Token::Kind::Operator, "=")) {
      const Token name = current();
      step();
      step();
      for (const auto &[other, unused] : call.named)
        if (other == name.text)
          return error(name.at, fmt::format("argument {} is given twice", name.text));
      FT_ASSIGN_OR_RETURN(ExpressionPtr value, parseExpression());
      call.named.emplace_back(name.text, std::move(value));
    } else {
      if (!call.named.empty())
        return error(current().at, "an argument without a name stands behind one that has one");
      FT_ASSIGN_OR_RETURN(ExpressionPtr value, parseExpression());
      call.parts.push_back(std::move(value));
    }
  }
  step();
  return {};
}

Expected<ExpressionPtr> Parser::parseCall(ExpressionPtr value) {
  auto call = node(Kind::Call, current().at);
  call->parts.push_back(std::move(value));
  FT_RETURN_IF_ERROR(parseArguments(*call));
  return finish(std::move(call));
}

Expected<ExpressionPtr> Parser::parseFilter(ExpressionPtr value) {
  auto filter = node(Kind::Filter, current().at);
  filter->parts.push_back(std::move(value));
  FT_ASSIGN_OR_RETURN(filter->name, expectName("a filter's name"));
  if (!isFilter(filter->name))
    unknown.push_back({filter->at, unknownFilter(filter->name)});
  if (isOperator("("))
    FT_RETURN_IF_ERROR(parseArguments(*filter));
  return finish(std::move(filter));
}

Expected<ExpressionPtr> Parser::parseTest(ExpressionPtr value) {
  step();
  auto negated = isName("not") ? node(Kind::Not, current().at) : nullptr;
  takeName("not");
  auto test = node(Kind::Test, current().at);
  test->parts.push_back(std::move(value));
  FT_ASSIGN_OR_RETURN(test->name, expectName("a test's name"));
  if (!isTest(test->name))
    unknown.push_back({test->at, unknownTest(test->name)});
  const Token::Kind kind = current().kind;
  if (isOperator("(")) {
    FT_RETURN_IF_ERROR(parseArguments(*test));
  } else if (isName("is")) {
    return error(current().at, "tests cannot follow each other; use \"and\"");
  } else if ((kind == Token::Kind::Name && !isName("else") && !isName("or") && !isName("and")) ||
             kind == Token::Kind::Text || kind == Token::Kind::Integer || kind == Token::Kind::Real ||
             isOperator("[") || isOperator("{")) {
    FT_ASSIGN_OR_RETURN(ExpressionPtr argument, parsePrimary());
    FT_ASSIGN_OR_RETURN(argument, parsePostfix(std::move(argument)));
    test->parts.push_back(std::move(argument));
  }
  FT_ASSIGN_OR_RETURN(ExpressionPtr result, finish(std::move(test)));
  if (!negated)
    return result;
  negated->parts.push_back(std::move(result));
  return finish(std::move(negated));
}

} // namespace ft::rt::jinja
