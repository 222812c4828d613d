#include "runtime/Template/Template.h"

#include "runtime/Template/Parser.h"
#include "runtime/Tokenizer/Utf8.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt {

Expected<Template> Template::parse(std::string_view text, std::string name) {
  if (text.size() > MaxBytes)
    return badInput(fmt::format("{}: has {} bytes; a template has at most {}", name, text.size(), MaxBytes));
  if (!isWellFormedUtf8(text))
    return badInput(fmt::format("{}: is not UTF-8; save the template as UTF-8", name));
  Template result;
  result.text = jinja::normalizedSource(text);
  auto tokens = jinja::tokenize(result.text);
  if (!tokens)
    return badInput(fmt::format("{}:{}", name, tokens.status().message()));
  auto body = jinja::Parser(result.text, std::move(*tokens)).parse();
  if (!body)
    return badInput(fmt::format("{}:{}", name, body.status().message()));
  result.body = std::make_shared<const jinja::Body>(std::move(*body));
  result.templateName = std::move(name);
  return result;
}

Expected<std::string> Template::render(const jinja::Variables &variables, std::optional<std::tm> now,
                                       uint64_t work) const {
  if (work == 0) {
    work = jinja::Evaluator::Work;
    for (const auto &[name, value] : variables)
      work += 64 * std::min<uint64_t>(value.weight(), uint64_t(1) << 34);
  }
  auto rendered = jinja::Evaluator(text, now, work).render(*body, variables);
  if (!rendered)
    return badInput(fmt::format("{}:{}", templateName, rendered.status().message()));
  return rendered;
}

Expected<jinja::Value> templateValue(const nlohmann::ordered_json &json) {
  using jinja::Value;
  using Type = nlohmann::ordered_json::value_t;
  switch (json.type()) {
  case Type::null:
    return Value::none();
  case Type::boolean:
    return Value(json.get<bool>());
  case Type::number_integer:
    return Value(json.get<int64_t>());
  case Type::number_unsigned:
    if (json.get<uint64_t>() > uint64_t(INT64_MAX))
      return badInput(fmt::format("the number {} is beyond 64 bits with a sign", json.get<uint64_t>()));
    return Value(json.get<int64_t>());
  case Type::number_float:
    return jinja::finite(json.get<double>());
  case Type::string:
    return Value(json.get<std::string>());
  case Type::array:
  case Type::object: {
    std::vector<Value> items;
    for (const auto &[key, member] : json.items()) {
      if (json.is_object())
        items.emplace_back(key);
      FT_ASSIGN_OR_RETURN(Value value, templateValue(member));
      items.push_back(std::move(value));
    }
    return Value::of(json.is_object() ? Value::Kind::Dict : Value::Kind::List, std::move(items));
  }
  default:
    return badInput("binary data is no value of a template");
  }
}

} // namespace ft::rt
