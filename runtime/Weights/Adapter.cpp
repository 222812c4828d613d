#include "runtime/Weights/Adapter.h"

#include "runtime/Support/Strings.h"
#include "runtime/Weights/Convert.h"
#include "runtime/Weights/Json.h"
#include "runtime/Weights/Model.h"

#include <filesystem>
#include <fmt/format.h>
#include <set>

namespace ft::rt {

namespace {

constexpr std::string_view configName = "adapter_config.json", weightsName = "adapter_model.safetensors";

/// Fields of PEFT's LoraConfig that change the meaning of the tensors. A field that is absent is null.
constexpr std::string_view meaningFields[] = {"peft_type",
                                              "r",
                                              "lora_alpha",
                                              "use_rslora",
                                              "use_dora",
                                              "use_qalora",
                                              "use_bdlora",
                                              "bias",
                                              "lora_bias",
                                              "fan_in_fan_out",
                                              "modules_to_save",
                                              "rank_pattern",
                                              "alpha_pattern",
                                              "layer_replication",
                                              "target_parameters",
                                              "trainable_token_indices",
                                              "alora_invocation_tokens",
                                              "arrow_config",
                                              "kasa_config",
                                              "monteclora_config"};

/// Which modules have adapters. The tensors say it themselves, and PEFT spells it in several ways (last parts of names,
/// whole names, an expression): compared only to explain tensors that differ.
constexpr std::string_view placeFields[] = {"target_modules", "exclude_modules", "layers_to_transform",
                                            "layers_pattern"};

/// Values that mean "not used" are one value; lists of names are sets.
Json normalised(const Json &config, std::string_view field) {
  auto it = config.find(field);
  if (it == config.end() || it->is_null() || *it == false || *it == "none" ||
      ((it->is_array() || it->is_object()) && it->empty()))
    return nullptr;
  if (!it->is_array())
    return *it;
  Json sorted = *it;
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

std::string printed(const Json &value) { return value.dump(-1, ' ', true, Json::error_handler_t::replace); }

void compareConfigs(const std::string &place, const Json &has, const Json &expected,
                    std::span<const std::string_view> fields, std::vector<std::string> &problems) {
  for (std::string_view field : fields) {
    Json a = normalised(has, field), b = normalised(expected, field);
    if (a != b)
      problems.push_back(
          fmt::format("{}: {} is {}; the plan was compiled for {}", place, field, printed(a), printed(b)));
  }
}

/// PiSSA, OLoRA and their like move a part of the base into the adapter: their tensors belong to another base.
bool keepsBase(const Json &init) {
  return init.is_null() || init.is_boolean() || init == "gaussian" || init == "eva" || init == "orthogonal";
}

void checkInit(const std::string &place, const Json &config, std::vector<std::string> &problems) {
  auto init = config.find("init_lora_weights");
  if (init != config.end() && !keepsBase(*init))
    problems.push_back(fmt::format("{}: init_lora_weights is {}, which changes the base's weights; save the adapter as "
                                   "plain LoRA with PEFT's path_initial_model_for_weight_conversion",
                                   place, printed(*init)));
}

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
  std::vector<std::string> names;
  for (const TensorView &view : file.tensors())
    names.push_back(view.name);
  std::set<std::string_view> known;
  for (const plan::ExportTensor &item : exported.tensors()) {
    if (item.tensor() >= uint32_t(plan.tensors_size()))
      return badInput(fmt::format("plan: export \"{}\" names tensor {} of {}; compile the plan again", item.key(),
                                  item.tensor(), plan.tensors_size()));
    known.insert(item.key());
    const plan::Tensor &tensor = plan.tensors(int(item.tensor()));
    const TensorView *view = file.tensor(item.key());
    if (!view)
      problems.push_back(fmt::format(
          "{}: tensor \"{}\" {} is missing{}", file.path(), item.key(), shapeText(spanOf(tensor.shape())),
          problems.size() < shownProblems ? suggestion(item.key(), std::span<const std::string>(names)) : ""));
    else if (auto problem = shapeOrTypeProblem(*view, tensor))
      problems.push_back(fmt::format("{}: tensor \"{}\" {}", file.path(), item.key(), *problem));
    else
      views[int(item.tensor())] = view;
  }
  for (const TensorView &view : file.tensors())
    if (!known.count(view.name))
      problems.push_back(
          fmt::format("{}: tensor \"{}\" {} is not in the plan", file.path(), view.name, shapeText(view.shape)));
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
  std::string configPath = (base / configName).string();
  FT_ASSIGN_OR_RETURN(Json expected, parseJson(text->content(), "plan: adapter_config.json"));
  FT_ASSIGN_OR_RETURN(Json config, readJsonObject(configPath));
  if (!expected.is_object())
    return badInput("plan: adapter_config.json is no JSON object; compile the plan again");
  FT_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::open((base / weightsName).string()));

  AdapterSource source(std::move(file));
  std::vector<std::string> problems;
  compareConfigs(configPath, config, expected, meaningFields, problems);
  checkInit(configPath, config, problems);
  std::vector<std::string> tensorProblems;
  FT_RETURN_IF_ERROR(source.match(plan, *exported, tensorProblems));
  if (!tensorProblems.empty())
    compareConfigs(configPath, config, expected, placeFields, problems);
  problems.insert(problems.end(), tensorProblems.begin(), tensorProblems.end());
  FT_RETURN_IF_ERROR(problemsStatus("adapter " + folder, problems));
  return source;
}

Producer AdapterSource::producer(int index, const plan::Tensor &tensor) const {
  auto it = views.find(index);
  return it == views.end() ? Producer() : fileProducer(*it->second, tensor.dtype(), 0);
}

} // namespace ft::rt
