#include "runtime/Tokenizer/JsonMembers.h"

#include "runtime/Support/Strings.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt {

namespace {
Status wrongType(const Json &object, const char *key, std::string_view wanted) {
  const Json &value = member(object, key);
  return badInput(value.is_null() ? fmt::format("\"{}\" is missing; must be {}", key, wanted)
                                  : fmt::format("\"{}\" is {}; must be {}", key, shownJson(value), wanted));
}
} // namespace

const Json &member(const Json &object, const char *key) {
  static const Json nothing;
  if (!object.is_object())
    return nothing;
  auto it = object.find(key);
  return it == object.end() ? nothing : *it;
}

Expected<std::string> textMember(const Json &object, const char *key, std::optional<std::string> fallback) {
  const Json &value = member(object, key);
  if (value.is_string())
    return value.get<std::string>();
  if (value.is_null() && fallback)
    return *fallback;
  return wrongType(object, key, "a string");
}

Expected<bool> flagMember(const Json &object, const char *key, std::optional<bool> fallback) {
  const Json &value = member(object, key);
  if (value.is_boolean())
    return value.get<bool>();
  if (value.is_null() && fallback)
    return *fallback;
  return wrongType(object, key, "true or false");
}

Expected<uint64_t> countMember(const Json &object, const char *key, std::optional<uint64_t> fallback) {
  const Json &value = member(object, key);
  if (value.is_number_unsigned())
    return value.get<uint64_t>();
  if (value.is_null() && fallback)
    return *fallback;
  return wrongType(object, key, "an integer of at least 0");
}

Status checkMembers(const Json &object, std::initializer_list<std::string_view> known) {
  for (const auto &[key, value] : object.items())
    if (std::find(known.begin(), known.end(), key) == known.end())
      return badInput(fmt::format("\"{}\" is {}, which is not supported there", shown(key), shownJson(value)));
  return {};
}

} // namespace ft::rt
