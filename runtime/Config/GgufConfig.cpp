// GGUF metadata: what llama.cpp looks at (its gguf-py/gguf/constants.py names the keys).
#include "runtime/Config/Families/Families.h"
#include "runtime/Config/GgufNorms.h"
#include "runtime/Config/ModelFields.h"
#include "runtime/Support/Strings.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt {

namespace {

constexpr std::string_view noScaling = "this way to scale rotary embeddings is not supported",
                           noExperts = "experts are not supported", noWindow = "windows of attention are not supported",
                           noMultiplier = "multipliers of other families are not supported";

constexpr Field generalFields[] = {
    readField("general.architecture"),
    only("general.type", R"(["model"])", "give the model itself with --model"),
};

/// Behind the architecture's name and a dot.
constexpr Field architectureFields[] = {
    readField("attention.head_count"),
    readField("attention.head_count_kv"),
    readField("attention.key_length"),
    readField("attention.layer_norm_rms_epsilon"),
    readField("attention.value_length"),
    readField("block_count"),
    readField("context_length"),
    readField("embedding_length"),
    readField("feed_forward_length"),
    readField("rope.dimension_count"),
    readField("rope.freq_base"),
    readField("rope.scaling.factor"),
    readField("rope.scaling.original_context_length"),
    readField("rope.scaling.type"),
    readField("rope.scale_linear"), // the factor's older name
    readField("vocab_size"),

    only("attention.causal", "[true]", "nothing else is supported"),
    only("attention.clamp_kqv", "[0]", "clipping of q, k and v is not supported"),
    only("attention.max_alibi_bias", "[0]", "positions are rotary embeddings"),
    only("attention.scale", "[0]", noMultiplier),
    only("attention.sliding_window", "[0]", noWindow),
    only("attention.sliding_window_pattern", "[0]", noWindow),
    only("attn_logit_softcapping", "[0]", "capped logits are not supported"),
    only("embedding_scale", "[0,1]", noMultiplier),
    only("expert_count", "[0]", noExperts),
    only("expert_used_count", "[0]", noExperts),
    only("final_logit_softcapping", "[0]", "capped logits are not supported"),
    only("logit_scale", "[0,1]", noMultiplier),
    only("residual_scale", "[0,1]", noMultiplier),
    only("rope.scaling.attn_factor", "[1]", noScaling),
    only("rope.scaling.yarn_attn_factor", "[1]", noScaling),
    only("rope.scaling.yarn_beta_fast", "[32]", noScaling),
    only("rope.scaling.yarn_beta_slow", "[1]", noScaling),
    only("rope.scaling.yarn_ext_factor", "[0]", noScaling),
    only("rope.scaling.yarn_log_multiplier", "[0]", noScaling),
    only("use_parallel_residual", "[false]", "nothing else is supported"),

    harmless("attention.layer_norm_epsilon"), // of norms that no family here has
    harmless("rope.scaling.finetuned"),       // tells where the weights come from
    harmless("tensor_data_layout"),           // tells where the weights come from
};

/// The keys behind `prefix`, without it. Beyond this namespace and the general fields lie the tokenizer, which is read
/// apart, and notes of tools.
Json membersBehind(const std::string &prefix, const Json &metadata) {
  Json found = Json::object();
  for (const auto &[key, value] : metadata.items())
    if (key.starts_with(prefix))
      found[key.substr(prefix.size())] = value;
  return found;
}

Json generalMembers(const Json &metadata) {
  Json found = Json::object();
  for (const auto &[key, value] : metadata.items())
    if (findField(generalFields, key))
      found[key] = value;
  return found;
}

/// Sizes that a file may give layer by layer: one value where all layers agree.
void joinLayers(Json &metadata) {
  for (std::string_view key : {ggufKeys.intermediateSize, ggufKeys.heads, ggufKeys.kvHeads}) {
    auto it = metadata.find(key);
    if (it != metadata.end() && it->is_array() && !it->empty() &&
        std::all_of(it->begin(), it->end(), [&](const Json &size) { return size == it->front(); }))
      *it = Json(it->front());
  }
}

/// A factor means linear scaling where no type is given; "none" scales by no factor. A factor of 0 is not said.
void readScaling(FieldReader &fields, Rope &rope) {
  const std::string type = fields.text("rope.scaling.type");
  if (type == "none")
    return;
  if (!type.empty() && type != "linear" && type != "yarn")
    return fields.refuse("rope.scaling.type", fmt::format("\"{}\"", shown(type)),
                         fmt::format("\"none\", \"linear\" or \"yarn\": {}", noScaling));
  for (std::string_view key : {"rope.scaling.factor", "rope.scale_linear"})
    if (const Json *factor = fields.find(key); factor && *factor != 0)
      rope.factor = fields.positive(key, 1, maxSize);
  if (rope.factor == 1)
    return;
  rope.type = type == "yarn" ? Rope::Type::Yarn : Rope::Type::Linear;
  if (rope.type == Rope::Type::Linear)
    return;
  rope.originalPositions = fields.size("rope.scaling.original_context_length", std::nullopt, maxSize);
  rope.amplitude = yarnAmplitude(rope.factor);
}

void checkHeads(FieldReader &fields, const ModelConfig &config) {
  for (std::string_view key : {"attention.value_length", "rope.dimension_count"})
    if (const Json *value = fields.find(key); value && *value != config.headDim)
      fields.refuse(key, shownJson(*value), fmt::format("{}, the width of a head", config.headDim));
}

} // namespace

double ggufNormOffset(std::string_view architecture) {
  const ModelFamily *family = familyOfGguf(architecture);
  return family ? family->ggufNormOffset : 0;
}

ModelConfig ggufModelConfig(const std::string &place, const Json &metadata, std::vector<std::string> &problems) {
  ModelConfig config;
  const Json generals = generalMembers(metadata);
  FieldReader general(place, generals, problems);
  judgeFields(place, generals, generalFields, problems);
  const std::string architecture = general.text("general.architecture");
  const ModelFamily *family = familyOfGguf(architecture);
  if (!family)
    general.refuse("general.architecture",
                   architecture.empty() ? "missing" : fmt::format("\"{}\"", shown(architecture)),
                   legalGgufArchitectures(architecture));
  if (general.failed()) // of another architecture every key would be missing, of a part of a file most
    return config;
  config.family = family->modelType; // what is absent means what it means to llama.cpp, whatever the family
  const std::string prefix = architecture + ".";
  Json known = membersBehind(prefix, metadata);
  joinLayers(known);
  FieldReader fields(place, known, problems, prefix);
  judgeFields(place, known, joinFields(family->ggufFields, architectureFields), problems, prefix);
  config.vocabSize = fields.size(ggufKeys.vocabSize, 0, maxSize);
  readShape(fields, ggufKeys, config);
  config.rmsNormEps = fields.positive(ggufKeys.rmsNormEps, std::nullopt, 1);
  config.rope.theta = fields.positive(ggufKeys.ropeTheta, 10000, maxTheta);
  readScaling(fields, config.rope);
  checkHeads(fields, config);
  family->readGgufLayers(fields, config);
  return config;
}

} // namespace ft::rt
