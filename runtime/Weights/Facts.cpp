#include "runtime/Weights/Facts.h"

#include "runtime/Support/Strings.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace ft::rt {

namespace {

using Fact = plan::ModelFact;
using Value = decltype(ModelFact::expected);

std::optional<Value> expectedOf(const Fact &fact) {
  switch (fact.expected_case()) {
  case Fact::kInteger:
    return Value(int64_t(fact.integer()));
  case Fact::kReal:
    return Value(fact.real());
  case Fact::kText:
    return Value(fact.text());
  case Fact::kFlag:
    return Value(fact.flag());
  default:
    return std::nullopt;
  }
}

std::string valueText(const Value &value) {
  if (const auto *text = std::get_if<std::string>(&value))
    return fmt::format("\"{}\"", shown(*text));
  return std::visit([](const auto &v) { return fmt::format("{}", v); }, value);
}

/// GGUF files hold numbers as f32, and so do configs that were made of them: a number there counts as the decimal one
/// that it stands for, 9.999999747378752e-06 as 1e-05.
bool agree(const Value &a, const Value &b, ConfigFormat format) {
  const double *x = std::get_if<double>(&a), *y = std::get_if<double>(&b);
  if (x && y)
    return *x == *y || (float(*x) == float(*y) && (format == ConfigFormat::Gguf || double(float(*x)) == *x));
  return a == b;
}

/// The shortest decimal number that is `value` as f32, where the file holds one: 1e-05 and not 9.999999747378752e-06.
double asWritten(double value) {
  const float stored = float(value);
  if (double(stored) != value)
    return value;
  const std::string text = fmt::format("{}", stored);
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

template <typename List> Json listJson(const List *list, std::string_view kind) {
  constexpr size_t longest = 4096; // a value for each layer is far shorter, a vocabulary far longer
  return list && list->size() <= longest ? Json(*list) : Json(fmt::format("an {}", kind));
}

} // namespace

void compareFacts(const plan::Plan &plan, const ModelConfig &has, ConfigFormat format, const std::string &place,
                  std::vector<std::string> &problems) {
  const std::vector<ModelFact> facts = modelFacts(has);
  for (const Fact &fact : plan.facts()) {
    const std::string &key = format == ConfigFormat::Gguf ? fact.gguf_key() : fact.config_key();
    const auto expected = expectedOf(fact);
    if (key.empty() || !expected) // nothing expected: the reader of the config has refused every other value
      continue;
    auto own = std::find_if(facts.begin(), facts.end(), [&](const ModelFact &f) {
      return f.configKey == fact.config_key() && (!f.configKey.empty() || f.ggufKey == fact.gguf_key());
    });
    if (own == facts.end() && fact.may_be_absent())
      continue;
    const std::string value = own == facts.end() ? "missing" : valueText(own->expected);
    if (own == facts.end() || !agree(own->expected, *expected, format))
      problems.push_back(
          fmt::format("{}: {} is {}; the plan was compiled for {}", place, key, value, valueText(*expected)));
  }
}

Json metadataJson(const GgufFile &file) {
  Json json = Json::object();
  for (const auto &[key, value] : file.metadata()) {
    Json &member = json[key];
    if (value.integer())
      member = *value.integer();
    else if (value.real())
      member = asWritten(*value.real());
    else if (value.flag())
      member = *value.flag();
    else if (value.text())
      member = *value.text();
    else if (value.integers())
      member = listJson(value.integers(), value.kind());
    else
      member = listJson(value.reals(), value.kind());
  }
  return json;
}

} // namespace ft::rt
