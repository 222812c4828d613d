#include "compiler/Recipe/TargetFile.h"

#include "runtime/Support/Strings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

using namespace ft;
namespace fs = std::filesystem;

std::vector<std::string> ft::targetNames(const std::string &folder) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const fs::directory_entry &entry : fs::directory_iterator(fs::path(folder) / "targets", ignored))
    if (entry.path().extension() == ".textproto")
      names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

rt::Expected<recipe::TargetSpec> ft::loadTarget(const std::string &folder, const std::string &name) {
  std::vector<std::string> names = targetNames(folder);
  if (std::find(names.begin(), names.end(), name) == names.end())
    return rt::badInput(fmt::format("target {} is not known; known are {}{}", name, fmt::join(names, ", "),
                                    rt::suggestion(name, std::span<const std::string>(names))));
  fs::path path = fs::path(folder) / "targets" / (name + ".textproto");
  std::ifstream file(path);
  std::stringstream content;
  content << file.rdbuf();
  recipe::TargetSpec spec;
  if (!google::protobuf::TextFormat::ParseFromString(content.str(), &spec) || spec.name() != name)
    return rt::badInput(fmt::format("{}: is not the target file of {}", path.string(), name));
  return spec;
}

std::string ft::recipesFolder(const std::string &programPath) {
  if (const char *folder = std::getenv("FTC_RECIPES_DIR"))
    return folder;
  std::error_code ignored;
  fs::path program = fs::canonical(programPath, ignored);
  for (const char *beside : {"../share/ftc/recipes", "../../recipes"})
    if (fs::path folder = program.parent_path() / beside; fs::exists(folder / "targets", ignored))
      return folder.lexically_normal().string();
  return FTC_SOURCE_RECIPES;
}
