#include "runtime/Weights/Json.h"

#include "runtime/Support/MappedFile.h"

#include <fmt/format.h>
#include <set>

namespace ft::rt {

Expected<Json> parseJson(std::string_view text, const std::string &place) {
  std::vector<std::set<std::string>> seen; // keys of the open objects
  std::string duplicate;
  auto callback = [&](int, Json::parse_event_t event, Json &value) {
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
    if (!duplicate.empty())
      return badInput(fmt::format("{}: the key \"{}\" appears twice in one object", place, duplicate));
    return parsed;
  } catch (const Json::exception &problem) {
    return badInput(fmt::format("{}: not valid JSON: {}", place, problem.what()));
  }
}

Expected<Json> readJsonObject(const std::string &path) {
  FT_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
  FT_ASSIGN_OR_RETURN(Json json, parseJson({reinterpret_cast<const char *>(file.bytes().data()), file.size()}, path));
  if (!json.is_object())
    return badInput(fmt::format("{}: the root is a JSON {}; must be an object", path, json.type_name()));
  return json;
}

} // namespace ft::rt
