// Reads lines of JSON, {"template": …, "variables": {…}}, and writes a line for each: {"text": …} or {"error": …}.

#include "runtime/Template/RenderRequests.h"

using namespace ft::rt;

static Expected<std::string> rendered(const nlohmann::ordered_json &request) {
  FT_ASSIGN_OR_RETURN(const Template parsed, Template::parse(request["template"].get<std::string>(), "template"));
  FT_ASSIGN_OR_RETURN(const jinja::Variables variables, requestedVariables(request));
  return parsed.render(variables);
}

int main() { answerRequests(rendered); }
