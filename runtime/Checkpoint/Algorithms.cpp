#include "runtime/Checkpoint/Algorithms.h"

#include "runtime/Support/Json.h"

#include <fmt/format.h>

using namespace ft;
using namespace ft::rt;

namespace {
constexpr int version = 1;
constexpr const char *wayOut = "make it again with ftrun PLAN --tune FILE";

Status readTexts(const Json &root, const char *name, const std::string &place, std::vector<std::string> &texts) {
  const Json *member = findMember(root, name);
  if (!member || !member->is_array())
    return badInput(fmt::format("{}: {} is {}; must be an array of texts: {}", place, name,
                                member ? shownJson(*member) : "missing", wayOut));
  for (const Json &text : *member) {
    if (!text.is_string())
      return badInput(fmt::format("{}: {} has {}; must be texts: {}", place, name, shownJson(text), wayOut));
    texts.push_back(text.get<std::string>());
  }
  return {};
}

Expected<Algorithms> algorithmsFrom(const Json &root, const std::string &place) {
  if (!root.is_object())
    return badInput(fmt::format("{}: is {}; must be an object: {}", place, shownJson(root), wayOut));
  const Json *found = findMember(root, "version"), *device = findMember(root, "device");
  if (!found || integerIn(*found, version, version) != version)
    return badInput(fmt::format("{}: version is {}; must be {}: {}", place, found ? shownJson(*found) : "missing",
                                version, wayOut));
  if (!device || !device->is_string())
    return badInput(
        fmt::format("{}: device is {}; must be a text: {}", place, device ? shownJson(*device) : "missing", wayOut));
  Algorithms algorithms;
  algorithms.device = device->get<std::string>();
  FT_RETURN_IF_ERROR(readTexts(root, "libraries", place, algorithms.libraries));
  FT_RETURN_IF_ERROR(readTexts(root, "products", place, algorithms.products));
  return algorithms;
}
} // namespace

std::vector<std::string> ft::rt::withoutPaths(std::vector<std::string> libraries) {
  for (std::string &library : libraries)
    library = library.substr(0, library.find(" ("));
  return libraries;
}

Algorithms ft::rt::algorithmsOf(const Device &device) {
  return {device.info().name, withoutPaths(device.info().libraries), device.products()};
}

std::string ft::rt::toJson(const Algorithms &algorithms) {
  nlohmann::ordered_json json;
  json["version"] = version;
  json["device"] = algorithms.device;
  json["libraries"] = algorithms.libraries;
  json["products"] = algorithms.products;
  return json.dump(2) + "\n";
}

Expected<Algorithms> ft::rt::parseAlgorithms(std::string_view text, const std::string &place) {
  FT_ASSIGN_OR_RETURN(const Json root, parseJson(text, place));
  return algorithmsFrom(root, place);
}

Expected<Algorithms> ft::rt::readAlgorithms(const std::string &path) {
  FT_ASSIGN_OR_RETURN(const Json root, readJsonObject(path));
  return algorithmsFrom(root, path);
}
