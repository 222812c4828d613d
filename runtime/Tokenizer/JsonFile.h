// What the readers of tokenizer files share: JSON whose size and depth are bounded, and members that are checked.
#pragma once

#include "runtime/Support/Status.h"

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace ft::rt {

/// The object in a file. BadInput where it is no JSON object, or nests deeper than 64 levels, which no tokenizer does.
Expected<nlohmann::json> readJsonFile(const std::string &path);

/// JSON for a message, cut after 200 bytes.
std::string shown(const nlohmann::json &value);

/// A member, null where there is none or `object` is no object.
const nlohmann::json &member(const nlohmann::json &object, const char *key);

/// Members by type. Each refuses, naming `key`, a value of another type; without one (or with null) it gives
/// `fallback`, and refuses where there is none.
Expected<std::string> textMember(const nlohmann::json &object, const char *key,
                                 std::optional<std::string> fallback = std::nullopt);
Expected<bool> flagMember(const nlohmann::json &object, const char *key, std::optional<bool> fallback = std::nullopt);
Expected<uint64_t> countMember(const nlohmann::json &object, const char *key,
                               std::optional<uint64_t> fallback = std::nullopt);

/// Refuses a member that is not among `known`: it may change what the object means.
Status checkMembers(const nlohmann::json &object, std::initializer_list<std::string_view> known);

} // namespace ft::rt
