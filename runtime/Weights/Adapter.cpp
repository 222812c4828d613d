#include "runtime/Weights/Adapter.h"

#include "runtime/Config/AdapterConfig.h"
#include "runtime/Support/FileKind.h"
#include "runtime/Support/Strings.h"
#include "runtime/Weights/Convert.h"
#include "runtime/Weights/Model.h"
#include "runtime/Weights/NamePrefix.h"

#include <filesystem>
#include <fmt/format.h>
#include <set>

namespace ft::rt {

namespace {

constexpr std::string_view configName = "adapter_config.json", weightsName = "adapter_model.safetensors",
                           pickleName = "adapter_model.bin";

const plan::Text *findText(const plan::Plan &plan, std::string_view file) {
  for (const plan::Text &text : plan.texts())
    if (text.file() == file)
      return &text;
  return nullptr;
}

const plan::ExportFile *findExport(const plan::Plan &plan, std::string_view file) {
  for (const plan::ExportFile &exported : plan.exports())
    if (exported.file() == file)
      return &exported;
  return nullptr;
}

} // namespace

Status AdapterSource::match(const plan::Plan &plan, const plan::ExportFile &exported,
                            std::vector<std::string> &problems) {
  std::vector<std::string> names, missing;
  std::set<std::string, std::less<>> extra;
  for (const TensorView &view : file.tensors()) {
    names.push_back(view.name);
    extra.insert(view.name);
  }
  std::map<std::string_view, const plan::Tensor *> wanted;
  for (const plan::ExportTensor &item : exported.tensors()) {
    if (item.tensor() >= uint32_t(plan.tensors_size()))
      return badInput(fmt::format("plan: export \"{}\" names tensor {} of {}; compile the plan again", item.key(),
                                  item.tensor(), plan.tensors_size()));
    const plan::Tensor &tensor = plan.tensors(int(item.tensor()));
    wanted[item.key()] = &tensor;
    extra.erase(item.key());
    const TensorView *view = file.tensor(item.key());
    if (!view)
      missing.push_back(item.key());
    else if (auto problem = shapeOrTypeProblem(*view, tensor))
      problems.push_back(fmt::format("{}: tensor \"{}\" {}", file.path(), item.key(), *problem));
    else
      views[int(item.tensor())] = view;
  }
  if (const std::string prefix = explainPrefix(missing, extra); !prefix.empty())
    problems.push_back(fmt::format("{}: {}", file.path(), prefix));
  for (const std::string &name : missing)
    problems.push_back(
        fmt::format("{}: tensor \"{}\" {} is missing{}", file.path(), name, shapeText(spanOf(wanted[name]->shape())),
                    problems.size() < shownProblems ? suggestion(name, std::span<const std::string>(names)) : ""));
  for (const std::string &name : extra)
    problems.push_back(fmt::format("{}: tensor \"{}\" {} is not in the plan", file.path(), shown(name),
                                   shapeText(file.tensor(name)->shape)));
  return {};
}

Expected<AdapterSource> AdapterSource::open(const std::string &folder, const plan::Plan &plan) {
  const plan::Text *text = findText(plan, configName);
  const plan::ExportFile *exported = findExport(plan, weightsName);
  if (!text || !exported)
    return badInput(fmt::format("adapter {}: the plan \"{}\" trains no adapter; compile a recipe with lora, or leave "
                                "--adapter out",
                                folder, plan.name()));
  std::filesystem::path base(folder);
  if (!isNamed(base / weightsName) && isNamed(base / pickleName))
    return badInput(
        fmt::format("adapter {}: holds {}, a pickle of Python, which is not read; load it with PEFT and save it "
                    "again with save_pretrained(…, safe_serialization=True)",
                    folder, pickleName));
  std::error_code ignored;
  if (std::filesystem::is_regular_file(base, ignored))
    return badInput(fmt::format("adapter {}: is a file; name the folder that holds it", folder));
  if (!isNamed(base / configName))
    return badInput(fmt::format("adapter {}: holds no {}; name the folder of an adapter that PEFT or ftrun saved",
                                folder, configName));
  std::string configPath = (base / configName).string();
  FT_ASSIGN_OR_RETURN(Json expected, parseJson(text->content(), "plan: adapter_config.json"));
  FT_ASSIGN_OR_RETURN(Json config, readJsonObject(configPath));
  if (!expected.is_object())
    return badInput("plan: adapter_config.json is no JSON object; compile the plan again");
  FT_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::open((base / weightsName).string()));

  AdapterSource source(std::move(file));
  std::vector<std::string> problems;
  compareAdapterConfigs(configPath, config, expected, problems);
  std::vector<std::string> tensorProblems;
  FT_RETURN_IF_ERROR(source.match(plan, *exported, tensorProblems));
  if (!tensorProblems.empty())
    compareAdapterPlaces(configPath, config, expected, problems);
  problems.insert(problems.end(), tensorProblems.begin(), tensorProblems.end());
  FT_RETURN_IF_ERROR(problemsStatus("adapter " + folder, problems));
  return source;
}

Sha256Digest AdapterSource::digest() const {
  Sha256 hash;
  for (const TensorView &view : file.tensors()) { // shapes are the plan's
    hash.update(view.name);
    hash.update(view.bytes);
  }
  return hash.finish();
}

Producer AdapterSource::producer(int index, const plan::Tensor &tensor) const {
  auto it = views.find(index);
  return it == views.end() ? Producer() : fileProducer(*it->second, tensor.dtype(), 0);
}

} // namespace ft::rt
