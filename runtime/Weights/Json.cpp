#include "runtime/Weights/Json.h"

#include "runtime/Support/MappedFile.h"

#include <fmt/format.h>
#include <set>

namespace ft::rt {

namespace {
constexpr int maxNesting = 64;
constexpr uint64_t maxBytes = 100'000'000; // as of a safetensors header; indices of the largest models have a few MB
} // namespace

Expected<Json> parseJson(std::string_view text, const std::string &place) {
  std::vector<std::set<std::string>> seen; // keys of the open objects
  std::string duplicate;
  bool tooDeep = false;
  auto callback = [&](int depth, Json::parse_event_t event, Json &value) {
    if (depth > maxNesting) { // dropped, since whatever walks a value recurses
      tooDeep = true;
      return false;
    }
    if (event == Json::parse_event_t::object_start)
      seen.emplace_back();
    else if (event == Json::parse_event_t::object_end)
      seen.pop_back();
    else if (event == Json::parse_event_t::key && !seen.back().insert(value.get<std::string>()).second)
      duplicate = value.get<std::string>();
    return true;
  };
  try {
    Json parsed = Json::parse(text.begin(), text.end(), callback);
    if (tooDeep)
      return badInput(fmt::format("{}: nests deeper than {} levels; no file of a model does", place, maxNesting));
    if (!duplicate.empty())
      return badInput(fmt::format("{}: the key \"{}\" appears twice in one object", place, duplicate));
    return parsed;
  } catch (const Json::exception &problem) {
    return badInput(fmt::format("{}: not valid JSON: {}", place, problem.what()));
  }
}

Expected<Json> readJsonObject(const std::string &path) {
  FT_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
  if (file.size() > maxBytes)
    return badInput(fmt::format("{}: has {} bytes; {} is the most that is read", path, file.size(), maxBytes));
  FT_ASSIGN_OR_RETURN(Json json, parseJson({reinterpret_cast<const char *>(file.bytes().data()), file.size()}, path));
  if (!json.is_object())
    return badInput(fmt::format("{}: the root is a JSON {}; must be an object", path, json.type_name()));
  return json;
}

} // namespace ft::rt
