// What the programs share that render for comparisons with transformers (test/goldens/templates/make_goldens.py):
// requests and answers are lines of JSON.
#pragma once

#include "runtime/Template/Template.h"

#include <iostream>
#include <string>
#include <utility>

namespace ft::rt {

/// A request's "variables", as a template sees them.
inline Expected<jinja::Variables> requestedVariables(const nlohmann::ordered_json &request) {
  jinja::Variables variables;
  for (const auto &[name, json] : request["variables"].items()) {
    FT_ASSIGN_OR_RETURN(jinja::Value value, templateValue(json));
    variables.emplace_back(name, std::move(value));
  }
  return variables;
}

/// Answers each line of the standard input with a line: {"text": …}, or {"error": …} as `rendered` says.
template <typename Rendered> void answerRequests(const Rendered &rendered) {
  for (std::string line; std::getline(std::cin, line);) {
    const Expected<std::string> text = rendered(nlohmann::ordered_json::parse(line));
    nlohmann::ordered_json answer;
    answer[text ? "text" : "error"] = text ? *text : text.status().message();
    std::cout << answer.dump() << '\n';
  }
}

} // namespace ft::rt
