#include "compiler/Pipeline/Inputs.h"

#include "compiler/Pipeline/Options.h"
#include "runtime/Support/Strings.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>

using namespace ft;
namespace fs = std::filesystem;

static std::string findModel(const CompileRequest &request, const LoadedRecipe &recipe) {
  fs::path named = fs::path(request.recipesFolder) / "models" / recipe.fields.base_model();
  std::error_code ignored; // a name that no file can have is an unknown model
  if (fs::exists(named / "config.json", ignored))
    return named.string();
  return (fs::path(recipe.folder) / recipe.fields.base_model()).string();
}

/// The error for a base_model that is neither known nor a folder: what was tried and the nearest name.
static rt::Status unknownModel(const CompileRequest &request, const LoadedRecipe &recipe, const std::string &tried) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const fs::directory_entry &entry : fs::directory_iterator(fs::path(request.recipesFolder) / "models", ignored))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return rt::badInput(
      fmt::format("{}: base_model {} is neither a known model ({}) nor a folder with a config.json ({}){}",
                  recipe.place("base_model"), recipe.fields.base_model(), fmt::join(names, ", "), tried,
                  rt::suggestion(recipe.fields.base_model(), std::span<const std::string>(names))));
}

/// What recipe, target and model mean together.
static rt::Status join(Inputs &inputs) {
  inputs.recipe.fields.set_target(inputs.target.name());
  FT_RETURN_IF_ERROR(resolveTargets(inputs.recipe, {linearNames(inputs.model), defaultAdapterTargets(inputs.model)}));
  inputs.recipe.printResolved();
  return checkTarget(inputs.recipe, inputs.target);
}

rt::Expected<Inputs> ft::loadInputs(const CompileRequest &request) {
  Inputs inputs;
  inputs.planFolder = request.planFolder;
  if (request.loraForm != "auto")
    inputs.foldAdapters = request.loraForm == "folded";
  if (request.headLanes != 0)
    inputs.headLanes = request.headLanes;
  FT_ASSIGN_OR_RETURN(inputs.recipe, loadRecipe(request.recipePath, request.overrides));
  rt::Expected<recipe::TargetSpec> target =
      loadTarget(request.recipesFolder, request.gpu.empty() ? inputs.recipe.fields.target() : request.gpu);
  if (!target.ok())
    return rt::Status(target.status().code(),
                      fmt::format("{}: {}",
                                  request.gpu.empty() ? inputs.recipe.place("target") : "--gpu " + request.gpu,
                                  target.status().message()));
  inputs.target = std::move(*target);
  const std::string folder = findModel(request, inputs.recipe);
  std::error_code ignored;
  if (!fs::exists(fs::path(folder) / "config.json", ignored))
    return unknownModel(request, inputs.recipe, folder);
  llvm::Expected<ModelConfig> model = readModelConfig(folder);
  if (!model)
    return rt::badInput(llvm::toString(model.takeError()));
  inputs.model = std::move(*model);
  FT_RETURN_IF_ERROR(join(inputs));
  return inputs;
}

rt::Expected<Inputs> ft::withOverrides(const Inputs &inputs, const std::vector<std::string> &overrides) {
  Inputs changed = inputs;
  FT_ASSIGN_OR_RETURN(changed.recipe, withOverrides(inputs.recipe, overrides));
  FT_RETURN_IF_ERROR(join(changed));
  return changed;
}
