#include "runtime/Config/AdapterConfig.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt {

namespace {

constexpr Field fields[] = {
    readField("alora_invocation_tokens"),
    readField("alpha_pattern"),
    readField("arrow_config"),
    readField("bias"),
    readField("enable_lora"),
    readField("fan_in_fan_out"),
    readField("kasa_config"),
    readField("layer_replication"),
    readField("lora_alpha"),
    readField("lora_bias"),
    readField("megatron_config"),
    readField("modules_to_save"),
    readField("monteclora_config"),
    readField("peft_type"),
    readField("r"),
    readField("rank_pattern"),
    readField("target_parameters"),
    readField("trainable_token_indices"),
    readField("use_bdlora"),
    readField("use_dora"),
    readField("use_qalora"),
    readField("use_rslora"),

    harmless("auto_mapping"),
    harmless("base_model_name_or_path"),
    harmless("corda_config"),        // how init_lora_weights made the first values
    harmless("ensure_weight_tying"), // of modules_to_save
    harmless("eva_config"),
    harmless("exclude_modules"), // this and the next three: see compareAdapterPlaces()
    harmless("layers_pattern"),
    harmless("layers_to_transform"),
    harmless("target_modules"),
    harmless("inference_mode"),
    harmless("init_lora_weights"), // judged by what it does to the base
    harmless("loftq_config"),
    harmless("lora_dropout"), // the recipe's counts
    harmless("lora_ga_config"),
    harmless("megatron_core"),
    harmless("merge_weights"),
    harmless("peft_version"),
    harmless("qalora_group_size"), // of use_qalora
    harmless("revision"),
    harmless("runtime_config"),
    harmless("task_type"),
};

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

/// What to do about an adapter whose field is another than the plan's.
std::string_view wayOut(std::string_view field) {
  if (field == "r" || field == "lora_alpha")
    return "compile the recipe with the adapter's own, under lora";
  if (field == "target_modules")
    return "compile the recipe with lora.target_modules as the adapter has them";
  return "no recipe makes such adapters; merge it into its base with PEFT's merge_and_unload, and start from that";
}

void compareField(const std::string &place, std::string_view field, const Json &has, const Json &expected,
                  std::vector<std::string> &problems) {
  const Json a = normalised(has, field), b = normalised(expected, field);
  if (a != b)
    problems.push_back(fmt::format("{}: {} is {}; the plan was compiled {}: {}", place, field,
                                   a.is_null() ? "absent" : shownJson(a),
                                   b.is_null() ? "without" : "for " + shownJson(b), wayOut(field)));
}

/// PiSSA, OLoRA and their like move a part of the base into the adapter: their tensors belong to another base.
void checkInit(const std::string &place, const Json &config, std::vector<std::string> &problems) {
  const Json *init = findMember(config, "init_lora_weights");
  if (init && !init->is_null() && !init->is_boolean() && *init != "gaussian" && *init != "eva" && *init != "orthogonal")
    problems.push_back(fmt::format("{}: init_lora_weights is {}, which changes the base's weights; save the adapter as "
                                   "plain LoRA with PEFT's path_initial_model_for_weight_conversion",
                                   place, shownJson(*init)));
}

} // namespace

std::span<const Field> adapterFields() { return fields; }

void compareAdapterConfigs(const std::string &place, const Json &has, const Json &expected,
                           std::vector<std::string> &problems) {
  for (const Field &field : fields)
    if (field.meaning == Field::Meaning::Read)
      compareField(place, field.name, has, expected, problems);
  Json others = Json::object();
  for (const auto &[name, value] : has.items())
    if (!findField(fields, name) && !normalised(has, name).is_null())
      others[name] = value;
  judgeFields(place, others, fields, problems);
  checkInit(place, has, problems);
}

void compareAdapterPlaces(const std::string &place, const Json &has, const Json &expected,
                          std::vector<std::string> &problems) {
  for (std::string_view field : placeFields)
    compareField(place, field, has, expected, problems);
}

} // namespace ft::rt
