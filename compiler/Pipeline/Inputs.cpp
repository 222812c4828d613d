#include "compiler/Pipeline/Inputs.h"

#include "compiler/Pipeline/Options.h"
#include "compiler/Recipe/ByteSize.h"
#include "runtime/Config/HubCache.h"
#include "runtime/Config/TextPart.h"
#include "runtime/Plan/Memory.h"
#include "runtime/Support/FileKind.h"
#include "runtime/Support/Strings.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>

using namespace ft;
namespace fs = std::filesystem;

/// Names under models/ that have a config: "smollm2-135m", "owner/name".
static std::vector<std::string> knownModels(const fs::path &models) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::recursive_directory_iterator it(models, error), end; !error && it != end; it.increment(error))
    if (it->path().filename() == "config.json")
      names.push_back(it->path().parent_path().lexically_relative(models).string());
  std::sort(names.begin(), names.end());
  return names;
}

/// The way out where a base_model names weights, or what no folder can be.
static std::string_view wayOut(std::string_view named) {
  if (named.find("://") != named.npos)
    return "; nothing is fetched from an address: a model of the Hub is named as owner/name";
  for (std::string_view ending : {".gguf", ".GGUF", ".safetensors"})
    if (named.ends_with(ending))
      return "; a file of weights is for ftrun --model: name here the folder, or the known model, whose shape it has";
  return "";
}

/// The error for a base_model that is nowhere: what was tried and the nearest name.
static rt::Status unknownModel(const CompileRequest &request, const LoadedRecipe &recipe, const std::string &tried) {
  const std::vector<std::string> names = knownModels(fs::path(request.recipesFolder) / "models");
  return rt::badInput(
      fmt::format("{}: base_model {} is neither a known model ({}) nor a folder with a config.json ({}){}{}",
                  recipe.place("base_model"), recipe.fields.base_model(), fmt::join(names, ", "), tried,
                  rt::suggestion(recipe.fields.base_model(), std::span<const std::string>(names)),
                  wayOut(recipe.fields.base_model())));
}

/// The folder with the base model's config: a known model, a folder beside the recipe, or a model in the Hub's cache,
/// whose name then is `hubName`.
static rt::Expected<std::string> findModel(const CompileRequest &request, const LoadedRecipe &recipe,
                                           std::string &hubName) {
  const std::string &named = recipe.fields.base_model();
  const fs::path known = fs::path(request.recipesFolder) / "models" / named, beside = fs::path(recipe.folder) / named;
  std::error_code ignored; // a name that no file can have is an unknown model
  for (const fs::path &folder : {known, beside})
    if (rt::isNamed(folder / "config.json"))
      return folder.string();
  const std::optional<rt::HubName> hub = rt::parseHubName(named);
  if (!hub || fs::exists(beside, ignored))
    return unknownModel(request, recipe, beside.string());
  auto snapshot = rt::findSnapshot(*hub);
  if (!snapshot.ok())
    return rt::badInput(fmt::format("{} (config.json is enough for ftc: {})",
                                    unknownModel(request, recipe, snapshot.status().message()).message(),
                                    rt::downloadLine(*hub, "config.json")));
  if (!rt::isNamed(fs::path(*snapshot) / "config.json"))
    return rt::badInput(fmt::format("{}: base_model {}: {} has no config.json; fetch it: {}",
                                    recipe.place("base_model"), named, *snapshot,
                                    rt::downloadLine(*hub, "config.json")));
  hubName = hub->id;
  return std::move(*snapshot);
}

/// What recipe, target and model mean together.
static rt::Status join(Inputs &inputs) {
  inputs.recipe.fields.set_target(inputs.target.name());
  if (inputs.model.quantized && !inputs.recipe.fields.has_quantization())
    return rt::badInput(
        fmt::format("{}: base_model {} is stored in NF4, and the recipe does not say so; add quantization "
                    "{{ type: NF4 }}, or give the model's own weights",
                    inputs.recipe.place("base_model"), inputs.recipe.fields.base_model()));
  if (inputs.model.quantized && inputs.recipe.fields.quantization().type() != recipe::QuantizationType::NF4)
    return rt::badInput(
        fmt::format("{}: base_model {} is stored in NF4, and quantization.type is {}: use NF4, or give the "
                    "model's own weights",
                    inputs.recipe.place("quantization.type"), inputs.recipe.fields.base_model(),
                    recipe::QuantizationType::Kind_Name(inputs.recipe.fields.quantization().type())));
  FT_RETURN_IF_ERROR(resolveTargets(inputs.recipe, {linearNames(inputs.model), defaultAdapterTargets(inputs.model)}));
  inputs.recipe.printResolved();
  return checkTarget(inputs.recipe, inputs.target);
}

/// A target file describes a card; of what host it is a part only the caller knows.
static rt::Status setHostMemory(const std::string &text, recipe::TargetSpec &target) {
  if (target.driver() == "cpu")
    return rt::badInput(fmt::format("--host-memory is of the host beside a GPU, and target {} has none: memory_budget "
                                    "says how much of its memory a plan may need",
                                    target.name()));
  const std::optional<uint64_t> bytes = parseByteSize(text);
  if (!bytes)
    return rt::badInput(fmt::format("--host-memory is \"{}\"; must be bytes in [1, 2^63), or a number with a unit: "
                                    "\"256GiB\" (2^30), \"256GB\" (10^9), also MB, MiB, TB, TiB",
                                    text));
  target.set_host_memory_bytes(*bytes);
  return {};
}

rt::Expected<Inputs> ft::loadInputs(const CompileRequest &request) {
  Inputs inputs;
  inputs.planFolder = request.planFolder;
  inputs.mostExchangedBytes = request.mostExchangedBytes;
  if (request.loraForm != "auto")
    inputs.foldAdapters = request.loraForm == "folded";
  if (request.headLanes != 0)
    inputs.headLanes = request.headLanes;
  if (request.park != "auto")
    inputs.park = request.park == "stream" ? Park::Stream : request.park == "inputs" ? Park::Inputs : Park::Nothing;
  if (request.gradients != "auto")
    inputs.gradientsLeave = request.gradients == "leave";
  FT_ASSIGN_OR_RETURN(inputs.recipe, loadRecipe(request.recipePath, request.overrides));
  rt::Expected<recipe::TargetSpec> target =
      loadTarget(request.recipesFolder, request.gpu.empty() ? inputs.recipe.fields.target() : request.gpu);
  if (!target.ok())
    return rt::Status(target.status().code(),
                      fmt::format("{}: {}",
                                  request.gpu.empty() ? inputs.recipe.place("target") : "--gpu " + request.gpu,
                                  target.status().message()));
  inputs.target = std::move(*target);
  if (!request.hostMemory.empty())
    FT_RETURN_IF_ERROR(setHostMemory(request.hostMemory, inputs.target));
  std::string hubName;
  FT_ASSIGN_OR_RETURN(const std::string folder, findModel(request, inputs.recipe, hubName));
  llvm::Expected<ModelConfig> model = readModelConfig(folder);
  if (!model)
    return rt::badInput(llvm::toString(model.takeError()));
  inputs.model = std::move(*model);
  if (const auto file = rt::readJsonObject(folder + "/config.json"); file.ok() && rt::textPart(*file))
    inputs.recipe.notes.push_back("the model is of text and images: its text part alone is trained");
  if (!hubName.empty()) // what the file says is where its author had it
    inputs.model.hubName = hubName;
  FT_RETURN_IF_ERROR(join(inputs));
  return inputs;
}

uint64_t ft::memoryOf(const Inputs &inputs) {
  return rt::allowedOf(inputs.target.memory_bytes(), memoryBudgetOf(inputs.recipe.fields));
}

rt::Expected<Inputs> ft::withOverrides(const Inputs &inputs, const std::vector<std::string> &overrides) {
  Inputs changed = inputs;
  FT_ASSIGN_OR_RETURN(changed.recipe, withOverrides(inputs.recipe, overrides));
  FT_RETURN_IF_ERROR(join(changed));
  return changed;
}
