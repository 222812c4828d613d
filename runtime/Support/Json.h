// JSON of model folders: one strict reader, in time and memory linear in the text.
#pragma once

#include "runtime/Support/Status.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

namespace ft::rt {

using Json = nlohmann::json;

/// Fails with BadInput naming `place`, and the line and column or the key: bytes that are not UTF-8, a key that appears
/// twice in one object, more than 64 levels, a number beyond what a double holds.
Expected<Json> parseJson(std::string_view text, const std::string &place);
/// The file's root, which must be an object; at most 100 MB.
Expected<Json> readJsonObject(const std::string &path);

/// The member, or null where there is none or it is null: Transformers and PEFT treat both alike.
const Json *findMember(const Json &object, std::string_view key);
/// An integer, or a number with the value of one, in [least, most].
std::optional<int64_t> integerIn(const Json &value, int64_t least, int64_t most);
/// A number; always finite.
std::optional<double> realOf(const Json &value);

/// The value as text for a message: one line, bounded, with nothing that drives a terminal.
std::string shownJson(const Json &value);

} // namespace ft::rt
