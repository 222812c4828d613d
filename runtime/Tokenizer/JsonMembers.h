// What the readers of tokenizer files share: members of JSON objects that are checked.
#pragma once

#include "runtime/Support/Json.h"

#include <initializer_list>
#include <optional>
#include <string>

namespace ft::rt {

/// A member, null where there is none or `object` is no object.
const Json &member(const Json &object, const char *key);

/// Members by type. Each refuses, naming `key`, a value of another type; without one (or with null) it gives
/// `fallback`, and refuses where there is none.
Expected<std::string> textMember(const Json &object, const char *key,
                                 std::optional<std::string> fallback = std::nullopt);
Expected<bool> flagMember(const Json &object, const char *key, std::optional<bool> fallback = std::nullopt);
Expected<uint64_t> countMember(const Json &object, const char *key, std::optional<uint64_t> fallback = std::nullopt);

/// Refuses a member that is not among `known`: it may change what the object means.
Status checkMembers(const Json &object, std::initializer_list<std::string_view> known);

} // namespace ft::rt
