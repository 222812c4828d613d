// JSON of model folders, parsed strictly: a duplicate key is an error.
#pragma once

#include "runtime/Support/Status.h"

#include <nlohmann/json.hpp>
#include <string_view>

namespace ft::rt {

using Json = nlohmann::json;

/// Fails with BadInput naming `place` and the byte position. Bytes that are not UTF-8 are refused.
Expected<Json> parseJson(std::string_view text, const std::string &place);
/// The file's root, which must be an object.
Expected<Json> readJsonObject(const std::string &path);

} // namespace ft::rt
