// Statements; ParseExpression.cpp has what stands inside of them.
#include "runtime/Template/Parser.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt::jinja {

namespace {
/// Jinja has them, and no chat template needs them.
constexpr std::string_view Refused[] = {"include", "import",     "from",  "extends", "block",
                                        "do",      "autoescape", "trans", "debug",   "print"};

std::string shownToken(const Token &token) {
  switch (token.kind) {
  case Token::Kind::Data:
    return "text";
  case Token::Kind::BlockBegin:
    return "'{%'";
  case Token::Kind::VariableBegin:
    return "'{{'";
  case Token::Kind::BlockEnd:
    return "'%}'";
  case Token::Kind::VariableEnd:
    return "'}}'";
  case Token::Kind::End:
    return "the end of the template";
  default:
    return fmt::format("'{}'", token.text.substr(0, 40));
  }
}
} // namespace

//===-- tokens --------------------------------------------------------------------------------------------------===//

bool Parser::takeOperator(std::string_view text) {
  const bool there = isOperator(text);
  if (there)
    step();
  return there;
}

bool Parser::takeName(std::string_view text) {
  const bool there = isName(text);
  if (there)
    step();
  return there;
}

Status Parser::expectOperator(std::string_view text) {
  return takeOperator(text) ? Status() : unexpected(fmt::format("'{}'", text));
}

Expected<std::string> Parser::expectName(std::string_view what) {
  if (current().kind != Token::Kind::Name)
    return unexpected(what);
  std::string name = current().text;
  step();
  return name;
}

Status Parser::unexpected(std::string_view wanted) const {
  return error(current().at, fmt::format("{} where {} is expected", shownToken(current()), wanted));
}

Status Parser::error(size_t at, const std::string &what) const {
  return badInput(fmt::format("{}: {}", placeOf(source, at), what));
}

Status Parser::refuseUnknown(size_t since) const {
  return since < unknown.size() ? error(unknown[since].at, unknown[since].what) : Status();
}

//===-- statements ----------------------------------------------------------------------------------------------===//

Expected<Body> Parser::parse() {
  FT_ASSIGN_OR_RETURN(Body body, parseBody({}));
  FT_RETURN_IF_ERROR(refuseUnknown(0));
  return body;
}

/// Up to a block that starts with one of `ends`, whose name is then the current token; or to the end of the template
/// where there are none.
Expected<Body> Parser::parseBody(std::initializer_list<std::string_view> ends) {
  if (++depth > MaxDepth)
    return error(current().at, fmt::format("statements are nested more than {} deep", MaxDepth));
  Body body;
  while (current().kind != Token::Kind::End) {
    const uint32_t at = current().at;
    if (current().kind == Token::Kind::Data) {
      body.push_back({Statement::Kind::Text, at, current().text, {}, {}, {}, {}, {}, {}});
      step();
      continue;
    }
    const bool block = current().kind == Token::Kind::BlockBegin;
    step();
    if (block) {
      if (current().kind == Token::Kind::Name && std::find(ends.begin(), ends.end(), current().text) != ends.end()) {
        --depth;
        return body;
      }
      FT_ASSIGN_OR_RETURN(Statement statement, parseStatement());
      body.push_back(std::move(statement));
      continue;
    }
    FT_ASSIGN_OR_RETURN(ExpressionPtr value, parseTuple());
    if (current().kind != Token::Kind::VariableEnd)
      return unexpected("'}}'");
    step();
    body.push_back({Statement::Kind::Print, at, "", {}, std::move(value), {}, {}, {}, {}});
  }
  if (ends.size() > 0)
    return unexpected(fmt::format("'{{% {} %}}'", *(ends.end() - 1)));
  --depth;
  return body;
}

Status Parser::endBlock() {
  if (current().kind != Token::Kind::BlockEnd)
    return unexpected("'%}'");
  step();
  return {};
}

/// What stands between "%}" and the tag that ends it; for Python's sake a colon may stand in front.
Expected<Body> Parser::parseBlock(std::initializer_list<std::string_view> ends) {
  takeOperator(":");
  FT_RETURN_IF_ERROR(endBlock());
  return parseBody(ends);
}

Expected<Statement> Parser::parseStatement() {
  Statement statement{Statement::Kind::If, current().at, "", {}, {}, {}, {}, {}, {}};
  FT_ASSIGN_OR_RETURN(const std::string tag, expectName("a statement's name"));
  if (tag == "if") {
    FT_RETURN_IF_ERROR(parseIf(statement));
  } else if (tag == "for") {
    FT_RETURN_IF_ERROR(parseFor(statement));
  } else if (tag == "set") {
    FT_RETURN_IF_ERROR(parseSet(statement));
  } else if (tag == "macro") {
    FT_RETURN_IF_ERROR(parseMacro(statement));
  } else if (tag == "call") {
    FT_RETURN_IF_ERROR(parseCallBlock(statement));
  } else if (tag == "with") {
    FT_RETURN_IF_ERROR(parseWith(statement));
  } else if (tag == "filter") {
    FT_RETURN_IF_ERROR(parseFilterBlock(statement));
  } else if (tag == "generation") {
    statement.kind = Statement::Kind::Scope;
    const size_t known = unknown.size();
    ++nested;
    FT_ASSIGN_OR_RETURN(Body body, parseBlock({"endgeneration"}));
    --nested;
    FT_RETURN_IF_ERROR(refuseUnknown(known));
    statement.bodies.push_back(std::move(body));
    step();
  } else if (tag == "break" || tag == "continue") {
    statement.kind = tag == "break" ? Statement::Kind::Break : Statement::Kind::Continue;
    if (loops == 0)
      return error(statement.at, fmt::format("{} outside of a loop", tag));
  } else if (std::find(std::begin(Refused), std::end(Refused), tag) != std::end(Refused)) {
    return error(statement.at, fmt::format("the statement {} is not supported; no chat template needs it", tag));
  } else {
    return error(statement.at, fmt::format("there is no statement {}", tag));
  }
  FT_RETURN_IF_ERROR(endBlock());
  return statement;
}

Status Parser::parseIf(Statement &statement) {
  const size_t known = unknown.size();
  while (true) {
    FT_ASSIGN_OR_RETURN(ExpressionPtr condition, parseTuple(/*conditional=*/false));
    statement.conditions.push_back(std::move(condition));
    FT_ASSIGN_OR_RETURN(Body body, parseBlock({"elif", "else", "endif"}));
    statement.bodies.push_back(std::move(body));
    if (takeName("elif"))
      continue;
    if (takeName("else")) {
      FT_ASSIGN_OR_RETURN(Body otherwise, parseBlock({"endif"}));
      statement.bodies.push_back(std::move(otherwise));
    }
    step();
    forgiveUnknown(known);
    return {};
  }
}

Status Parser::parseFor(Statement &statement) {
  statement.kind = Statement::Kind::For;
  FT_ASSIGN_OR_RETURN(statement.target, parseTarget(/*attributes=*/false));
  if (!takeName("in"))
    return unexpected("'in'");
  FT_ASSIGN_OR_RETURN(statement.value, parseTuple(/*conditional=*/false));
  const size_t known = unknown.size();
  if (takeName("if")) {
    FT_ASSIGN_OR_RETURN(statement.condition, parseExpression());
  }
  if (isName("recursive"))
    return error(current().at, "recursive loops are not supported; use a macro that calls itself");
  ++loops;
  ++nested;
  FT_ASSIGN_OR_RETURN(Body body, parseBlock({"else", "endfor"}));
  --loops;
  statement.bodies.push_back(std::move(body));
  if (takeName("else")) {
    FT_ASSIGN_OR_RETURN(Body otherwise, parseBlock({"endfor"}));
    statement.bodies.push_back(std::move(otherwise));
  }
  --nested;
  step();
  return refuseUnknown(known);
}

Status Parser::parseSet(Statement &statement) {
  statement.kind = Statement::Kind::Set;
  FT_ASSIGN_OR_RETURN(statement.target, parseTarget(/*attributes=*/true));
  if (takeOperator("=")) {
    FT_ASSIGN_OR_RETURN(statement.value, parseTuple());
    return {};
  }
  const size_t known = unknown.size();
  if (isOperator("|")) {
    FT_ASSIGN_OR_RETURN(statement.value, parseFilters(nullptr));
  }
  return parseScope(statement, "endset", known);
}

Expected<Target> Parser::parseOneTarget(bool attributes) {
  if (++depth > MaxDepth)
    return error(current().at, fmt::format("targets are nested more than {} deep", MaxDepth));
  Target target;
  if (takeOperator("(")) {
    FT_ASSIGN_OR_RETURN(target, parseTarget(attributes));
    FT_RETURN_IF_ERROR(expectOperator(")"));
    --depth;
    return target;
  }
  const size_t at = current().at;
  FT_ASSIGN_OR_RETURN(target.name, expectName("a variable's name"));
  for (std::string_view constant : {"true", "false", "none", "True", "False", "None"})
    if (target.name == constant)
      return error(at, fmt::format("{} cannot be assigned to", target.name));
  if (attributes && takeOperator(".")) {
    FT_ASSIGN_OR_RETURN(target.attribute, expectName("an attribute's name"));
  }
  --depth;
  return target;
}

Expected<Target> Parser::parseTarget(bool attributes) {
  FT_ASSIGN_OR_RETURN(Target first, parseOneTarget(attributes));
  if (!isOperator(","))
    return first;
  Target all;
  all.parts.push_back(std::move(first));
  while (takeOperator(",")) {
    if (isName("in") || isOperator(")") || isOperator("=") || current().kind == Token::Kind::BlockEnd)
      break;
    FT_ASSIGN_OR_RETURN(Target next, parseOneTarget(attributes));
    all.parts.push_back(std::move(next));
  }
  return all;
}

} // namespace ft::rt::jinja
