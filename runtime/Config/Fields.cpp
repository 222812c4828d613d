#include "runtime/Config/Fields.h"

#include "runtime/Support/Strings.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt {

namespace {

/// "false", "\"silu\" or \"swish\""; "null" where nothing but that is allowed.
std::string legalText(const Json &values) {
  std::string text;
  for (const Json &value : values)
    text += (text.empty() ? "" : " or ") + shownJson(value);
  return text.empty() ? "null" : text;
}

std::string judge(const Field &field, const Json &value) {
  if (field.meaning != Field::Meaning::Only)
    return "";
  const Json values = Json::parse(field.values);
  if (std::find(values.begin(), values.end(), value) != values.end())
    return "";
  return fmt::format("must be {}: {}", legalText(values), field.reason);
}

std::string nearestField(std::string_view name, std::span<const Field> table) {
  std::vector<std::string_view> names;
  for (const Field &field : table)
    names.push_back(field.name);
  return suggestion(name, std::span<const std::string_view>(names));
}

} // namespace

const Field *findField(std::span<const Field> table, std::string_view name) {
  auto it = std::find_if(table.begin(), table.end(), [&](const Field &field) { return field.name == name; });
  return it == table.end() ? nullptr : &*it;
}

std::vector<Field> joinFields(std::span<const Field> own, std::span<const Field> common) {
  std::vector<Field> joined(own.begin(), own.end());
  for (const Field &field : common)
    if (!findField(own, field.name))
      joined.push_back(field);
  return joined;
}

void judgeFields(const std::string &place, const Json &object, std::span<const Field> table,
                 std::vector<std::string> &problems, const std::string &prefix) {
  constexpr size_t most = 20; // a file of many foreign fields is foreign
  const size_t before = problems.size();
  for (const auto &[name, value] : object.items()) {
    if (value.is_null())
      continue;
    if (problems.size() - before == most) {
      problems.push_back(fmt::format("{}: and more fields; is this the file that it should be?", place));
      return;
    }
    const Field *field = findField(table, name);
    const std::string legal = field ? judge(*field, value)
                                    : "must be absent: this field is not understood and may change what the model "
                                      "computes" +
                                          nearestField(name, table);
    if (!legal.empty())
      problems.push_back(fmt::format("{}: {}{} is {}; {}", place, prefix, shown(name), shownJson(value), legal));
  }
}

bool FieldReader::isNull(std::string_view name) const {
  auto it = object.find(std::string(name));
  return it != object.end() && it->is_null();
}

void FieldReader::refuse(std::string_view name, std::string_view value, std::string_view legal) {
  problems.push_back(fmt::format("{}: {}{} is {}; must be {}", place, prefix, name, value, legal));
}

int64_t FieldReader::size(std::string_view name, std::optional<int64_t> absent, int64_t most) {
  const Json *value = find(name);
  if (!value && absent)
    return *absent;
  if (const auto number = value ? integerIn(*value, 1, most) : std::nullopt)
    return *number;
  refuse(name, value ? shownJson(*value) : "missing", fmt::format("an integer in [1, {}]", most));
  return absent.value_or(1);
}

double FieldReader::positive(std::string_view name, std::optional<double> absent, double most) {
  const Json *value = find(name);
  if (!value && absent)
    return *absent;
  if (const auto number = value ? realOf(*value) : std::nullopt; number && *number > 0 && *number <= most)
    return *number;
  refuse(name, value ? shownJson(*value) : "missing", fmt::format("a number in (0, {}]", most));
  return absent.value_or(1);
}

bool FieldReader::flag(std::string_view name, bool absent) {
  const Json *value = find(name);
  if (value && !value->is_boolean())
    refuse(name, shownJson(*value), "true or false");
  return value && value->is_boolean() ? value->get<bool>() : absent;
}

std::string FieldReader::text(std::string_view name) {
  const Json *value = find(name);
  if (value && !value->is_string())
    refuse(name, shownJson(*value), "a string");
  return value && value->is_string() ? value->get<std::string>() : "";
}

} // namespace ft::rt
