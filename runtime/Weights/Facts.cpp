#include "runtime/Weights/Facts.h"

#include <fmt/format.h>

namespace ft::rt {

namespace {

using Fact = plan::ModelFact;

std::string expectedText(const Fact &fact) {
  switch (fact.expected_case()) {
  case Fact::kInteger:
    return fmt::format("{}", fact.integer());
  case Fact::kReal:
    return fmt::format("{}", fact.real());
  case Fact::kText:
    return fmt::format("\"{}\"", fact.text());
  case Fact::kFlag:
    return fact.flag() ? "true" : "false";
  default:
    return "no value";
  }
}

std::string difference(const std::string &place, const std::string &key, const std::string &has, const Fact &fact) {
  return fmt::format("{}: {} is {}; the plan was compiled for {}", place, key, has, expectedText(fact));
}

bool isEmptyJson(const Json &value) {
  return value.is_null() || (value.is_boolean() && !value.get<bool>()) ||
         ((value.is_array() || value.is_object()) && value.empty()) ||
         (value.is_string() && value.get_ref<const std::string &>().empty());
}

bool agrees(const Json &value, const Fact &fact) {
  switch (fact.expected_case()) {
  case Fact::kInteger:
    if (value.is_number_unsigned())
      return fact.integer() >= 0 && value.get<uint64_t>() == uint64_t(fact.integer());
    return value.is_number_integer() ? value.get<int64_t>() == fact.integer()
                                     : value.is_number_float() && value.get<double>() == double(fact.integer());
  case Fact::kReal:
    return value.is_number() && value.get<double>() == fact.real();
  case Fact::kText:
    return value.is_string() && value.get_ref<const std::string &>() == fact.text();
  case Fact::kFlag:
    return value.is_boolean() && value.get<bool>() == fact.flag();
  default:
    return isEmptyJson(value);
  }
}

bool agrees(const GgufValue &value, const Fact &fact) {
  switch (fact.expected_case()) {
  case Fact::kInteger:
    return value.integer() == fact.integer();
  case Fact::kReal:
    return value.real() && float(*value.real()) == float(fact.real());
  case Fact::kText:
    return value.text() && *value.text() == fact.text();
  case Fact::kFlag:
    return value.flag() == fact.flag();
  default:
    return false;
  }
}

std::string ggufText(const GgufValue &value) {
  if (value.integer())
    return fmt::format("{}", *value.integer());
  if (value.real())
    return fmt::format("{}", float(*value.real()));
  if (value.flag())
    return *value.flag() ? "true" : "false";
  return value.text() ? fmt::format("\"{}\"", *value.text()) : fmt::format("an {}", value.kind());
}

/// Absent or null, as Transformers treats them alike.
const Json *lookUp(const Json &config, const std::string &key) {
  auto it = config.find(key);
  if (it != config.end() && !it->is_null())
    return &*it;
  auto rope = config.find("rope_parameters");
  if (rope == config.end() || !rope->is_object())
    return nullptr;
  auto nested = rope->find(key);
  return nested != rope->end() && !nested->is_null() ? &*nested : nullptr;
}

bool mayBeAbsent(const Fact &fact) { return fact.may_be_absent() || fact.expected_case() == Fact::EXPECTED_NOT_SET; }

} // namespace

void checkConfigFacts(const plan::Plan &plan, const Json &config, const std::string &place,
                      std::vector<std::string> &problems) {
  for (const Fact &fact : plan.facts()) {
    if (fact.config_key().empty())
      continue;
    const Json *value = lookUp(config, fact.config_key());
    if (!value && !mayBeAbsent(fact))
      problems.push_back(difference(place, fact.config_key(), "missing", fact));
    else if (value && !agrees(*value, fact))
      problems.push_back(
          difference(place, fact.config_key(), value->dump(-1, ' ', true, Json::error_handler_t::replace), fact));
  }
}

void checkGgufFacts(const plan::Plan &plan, const GgufFile &file, std::vector<std::string> &problems) {
  for (const Fact &fact : plan.facts()) {
    if (fact.gguf_key().empty())
      continue;
    const GgufValue *value = file.find(fact.gguf_key());
    if (!value && !mayBeAbsent(fact))
      problems.push_back(difference(file.path(), fact.gguf_key(), "missing", fact));
    else if (value && !agrees(*value, fact))
      problems.push_back(difference(file.path(), fact.gguf_key(), ggufText(*value), fact));
  }
}

} // namespace ft::rt
