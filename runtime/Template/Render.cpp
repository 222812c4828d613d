// Reads lines of JSON, {"template": …, "variables": {…}}, and writes a line for each: {"text": …} or {"error": …}.

#include "runtime/Template/Template.h"

#include <iostream>

using namespace ft::rt;
using nlohmann::ordered_json;

static Expected<std::string> rendered(const ordered_json &request) {
  FT_ASSIGN_OR_RETURN(const Template parsed, Template::parse(request["template"].get<std::string>(), "template"));
  jinja::Variables variables;
  for (const auto &[name, json] : request["variables"].items()) {
    FT_ASSIGN_OR_RETURN(jinja::Value value, templateValue(json));
    variables.emplace_back(name, std::move(value));
  }
  return parsed.render(variables);
}

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const auto text = rendered(ordered_json::parse(line));
    ordered_json answer;
    answer[text ? "text" : "error"] = text ? *text : text.status().message();
    std::cout << answer.dump() << '\n';
  }
}
