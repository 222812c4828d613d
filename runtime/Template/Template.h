// A chat template: the subset of Jinja that templates of models use, rendered as transformers renders them.
#pragma once

#include "runtime/Template/Evaluator.h"

#include <nlohmann/json.hpp>

namespace ft::rt {

/// Immutable; render() may run on several threads. Equal to Jinja in the environment that transformers sets up
/// (trim_blocks, lstrip_blocks, loop controls, an immutable sandbox); what is not supported is refused by name, with
/// line and column, when the template is parsed or where it is met. Work, depth and size are bounded.
class Template {
public:
  static constexpr size_t MaxBytes = 1u << 20;

  /// `name` is for messages: "chat_template.jinja". BadInput, "name:3:14: what".
  static Expected<Template> parse(std::string_view text, std::string name);

  /// `now` is what strftime_now says; without it the function is refused. `work` bounds what is done (see Budget);
  /// 0: as much as 64 walks over all variables are, and jinja::Evaluator::Work.
  Expected<std::string> render(const jinja::Variables &variables, std::optional<std::tm> now = std::nullopt,
                               uint64_t work = 0) const;

  const std::string &source() const { return text; }
  const std::string &name() const { return templateName; }

private:
  std::string templateName, text; ///< with line ends as Jinja takes them
  std::shared_ptr<const jinja::Body> body;
};

/// JSON as a template's value. `json` nests no deeper than a reader bounds it. Fails for integers beyond 64 bits and
/// numbers that are not finite.
Expected<jinja::Value> templateValue(const nlohmann::ordered_json &json);

} // namespace ft::rt
