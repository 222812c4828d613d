// Macros, and the blocks that open a scope of their own.
#include "runtime/Template/Parser.h"

#include <utility>

namespace ft::rt::jinja {

Status Parser::parseScope(Statement &statement, std::string_view end, size_t known) {
  ++nested;
  FT_ASSIGN_OR_RETURN(Body body, parseBlock({end}));
  --nested;
  statement.bodies.push_back(std::move(body));
  step();
  return refuseUnknown(known);
}

/// A macro sees the template's own variables, so it stands where no others are.
Status Parser::parseMacro(Statement &statement) {
  statement.kind = Statement::Kind::Macro;
  if (nested > 0)
    return error(statement.at, "a macro inside of a loop, a macro or another block is not supported; move it to the "
                               "template's start");
  const size_t known = unknown.size();
  FT_ASSIGN_OR_RETURN(statement.text, expectName("the macro's name"));
  FT_RETURN_IF_ERROR(parseParameters(statement));
  const uint32_t outer = std::exchange(loops, 0);
  FT_RETURN_IF_ERROR(parseScope(statement, "endmacro", known));
  loops = outer;
  return {};
}

Status Parser::parseParameters(Statement &statement) {
  FT_RETURN_IF_ERROR(expectOperator("("));
  while (!isOperator(")")) {
    if (!statement.parameters.empty())
      FT_RETURN_IF_ERROR(expectOperator(","));
    FT_ASSIGN_OR_RETURN(std::string name, expectName("a parameter's name"));
    ExpressionPtr fallback;
    if (takeOperator("=")) {
      FT_ASSIGN_OR_RETURN(fallback, parseExpression());
    } else if (!statement.parameters.empty() && statement.parameters.back().second) {
      return error(current().at, "a parameter without a default stands behind one that has one");
    }
    statement.parameters.emplace_back(std::move(name), std::move(fallback));
  }
  step();
  return {};
}

/// "call macro()", or "call(x) macro()" where the macro gives its caller something.
Status Parser::parseCallBlock(Statement &statement) {
  statement.kind = Statement::Kind::Call;
  statement.text = "caller";
  const size_t known = unknown.size();
  if (isOperator("("))
    FT_RETURN_IF_ERROR(parseParameters(statement));
  const size_t at = current().at;
  FT_ASSIGN_OR_RETURN(statement.value, parseExpression());
  if (statement.value->kind != Expression::Kind::Call)
    return error(at, "a call block needs a call of a macro");
  const uint32_t outer = std::exchange(loops, 0);
  FT_RETURN_IF_ERROR(parseScope(statement, "endcall", known));
  loops = outer;
  return {};
}

Status Parser::parseWith(Statement &statement) {
  statement.kind = Statement::Kind::With;
  const size_t known = unknown.size();
  while (current().kind != Token::Kind::BlockEnd) {
    if (!statement.parameters.empty())
      FT_RETURN_IF_ERROR(expectOperator(","));
    FT_ASSIGN_OR_RETURN(std::string name, expectName("a variable's name"));
    FT_RETURN_IF_ERROR(expectOperator("="));
    FT_ASSIGN_OR_RETURN(ExpressionPtr value, parseExpression());
    statement.parameters.emplace_back(std::move(name), std::move(value));
  }
  return parseScope(statement, "endwith", known);
}

Status Parser::parseFilterBlock(Statement &statement) {
  statement.kind = Statement::Kind::Filter;
  const size_t known = unknown.size();
  FT_ASSIGN_OR_RETURN(ExpressionPtr first, parseFilter(nullptr));
  FT_ASSIGN_OR_RETURN(statement.value, parseFilters(std::move(first)));
  return parseScope(statement, "endfilter", known);
}

} // namespace ft::rt::jinja
