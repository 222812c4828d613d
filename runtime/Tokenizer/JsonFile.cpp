#include "runtime/Tokenizer/JsonFile.h"

#include "runtime/Support/MappedFile.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt {

namespace {
using nlohmann::json;
constexpr size_t MaxDepth = 64;

/// The depth of brackets outside of strings, before a parser builds anything from them.
size_t depthOf(std::string_view text) {
  size_t depth = 0, deepest = 0;
  bool inString = false;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (inString) {
      at += c == '\\';
      inString = c != '"';
    } else if (c == '"') {
      inString = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}

/// "syntax error while parsing value - …" out of nlohmann's "[json.exception…] parse error at line 1, column 5: …".
std::string reason(const json::exception &error) {
  const std::string_view text = error.what();
  const size_t bracket = text.find("] ");
  return std::string(bracket == text.npos ? text : text.substr(bracket + 2));
}

Status wrongType(const json &object, const char *key, std::string_view wanted) {
  const json &value = member(object, key);
  return badInput(value.is_null() ? fmt::format("\"{}\" is missing; must be {}", key, wanted)
                                  : fmt::format("\"{}\" is {}; must be {}", key, shown(value), wanted));
}
} // namespace

Expected<json> readJsonFile(const std::string &path) {
  FT_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  const std::string_view text(reinterpret_cast<const char *>(file.bytes().data()), file.size());
  if (const size_t depth = depthOf(text); depth > MaxDepth)
    return badInput(fmt::format("{}: nests {} levels deep; at most {}", path, depth, MaxDepth));
  try {
    json parsed = json::parse(text);
    if (parsed.is_object())
      return parsed;
    return badInput(fmt::format("{}: is of type {}; must be a JSON object", path, parsed.type_name()));
  } catch (const json::exception &error) {
    return badInput(fmt::format("{}: not JSON: {}", path, reason(error)));
  }
}

std::string shown(const json &value) {
  std::string text = value.dump(-1, ' ', /*ensure_ascii=*/false, json::error_handler_t::replace);
  if (text.size() > 200) {
    size_t end = 200;
    while ((uint8_t(text[end]) & 0xC0) == 0x80)
      --end;
    text = text.substr(0, end) + "…";
  }
  return text;
}

const json &member(const json &object, const char *key) {
  static const json nothing;
  if (!object.is_object())
    return nothing;
  auto it = object.find(key);
  return it == object.end() ? nothing : *it;
}

Expected<std::string> textMember(const json &object, const char *key, std::optional<std::string> fallback) {
  const json &value = member(object, key);
  if (value.is_string())
    return value.get<std::string>();
  if (value.is_null() && fallback)
    return *fallback;
  return wrongType(object, key, "a string");
}

Expected<bool> flagMember(const json &object, const char *key, std::optional<bool> fallback) {
  const json &value = member(object, key);
  if (value.is_boolean())
    return value.get<bool>();
  if (value.is_null() && fallback)
    return *fallback;
  return wrongType(object, key, "true or false");
}

Expected<uint64_t> countMember(const json &object, const char *key, std::optional<uint64_t> fallback) {
  const json &value = member(object, key);
  if (value.is_number_unsigned())
    return value.get<uint64_t>();
  if (value.is_null() && fallback)
    return *fallback;
  return wrongType(object, key, "an integer of at least 0");
}

Status checkMembers(const json &object, std::initializer_list<std::string_view> known) {
  for (const auto &[key, value] : object.items())
    if (std::find(known.begin(), known.end(), key) == known.end())
      return badInput(fmt::format("\"{}\" is {}, which is not supported there", key, shown(value)));
  return {};
}

} // namespace ft::rt
