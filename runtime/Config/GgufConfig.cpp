// GGUF metadata of a Llama: what llama.cpp looks at (its gguf-py/gguf/constants.py names the keys).
#include "runtime/Config/ModelFields.h"
#include "runtime/Support/Strings.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt {

namespace {

constexpr std::string_view noScaling = "scaled rotary embeddings are not supported",
                           noExperts = "experts are not supported", noWindow = "windows of attention are not supported",
                           noMultiplier = "multipliers of other families are not supported";

constexpr Field fieldsOfGguf[] = {
    readField("llama.attention.head_count"),
    readField("llama.attention.head_count_kv"),
    readField("llama.attention.key_length"),
    readField("llama.attention.layer_norm_rms_epsilon"),
    readField("llama.attention.value_length"),
    readField("llama.block_count"),
    readField("llama.context_length"),
    readField("llama.embedding_length"),
    readField("llama.feed_forward_length"),
    readField("llama.rope.dimension_count"),
    readField("llama.rope.freq_base"),
    readField("llama.rope.scaling.factor"),
    readField("llama.rope.scaling.type"),
    readField("llama.rope.scale_linear"), // the factor's older name
    readField("llama.vocab_size"),

    only("general.architecture", R"(["llama"])", "nothing else is supported"),
    only("general.type", R"(["model"])", "give the model itself with --model"),

    only("llama.attention.causal", "[true]", "nothing else is supported"),
    only("llama.attention.clamp_kqv", "[0]", "clipping of q, k and v is not supported"),
    only("llama.attention.max_alibi_bias", "[0]", "positions are rotary embeddings"),
    only("llama.attention.scale", "[0]", noMultiplier),
    only("llama.attention.sliding_window", "[0]", noWindow),
    only("llama.attention.sliding_window_pattern", "[0]", noWindow),
    only("llama.attn_logit_softcapping", "[0]", "capped logits are not supported"),
    only("llama.embedding_scale", "[0,1]", noMultiplier),
    only("llama.expert_count", "[0]", noExperts),
    only("llama.expert_used_count", "[0]", noExperts),
    only("llama.final_logit_softcapping", "[0]", "capped logits are not supported"),
    only("llama.logit_scale", "[0,1]", noMultiplier),
    only("llama.residual_scale", "[0,1]", noMultiplier),
    only("llama.rope.scaling.attn_factor", "[1]", noScaling),
    only("llama.rope.scaling.yarn_attn_factor", "[1]", noScaling),
    only("llama.rope.scaling.yarn_ext_factor", "[0]", noScaling),
    only("llama.rope.scaling.yarn_log_multiplier", "[0]", noScaling),
    only("llama.use_parallel_residual", "[false]", "nothing else is supported"),

    harmless("llama.attention.layer_norm_epsilon"),         // of norms that a Llama does not have
    harmless("llama.rope.scaling.finetuned"),               // tells where the weights come from
    harmless("llama.rope.scaling.original_context_length"), // of the types that scale
    harmless("llama.tensor_data_layout"),                   // tells where the weights come from
};

/// Whether a loader looks at the key. Beyond these namespaces lie the tokenizer, which is read apart, and notes of
/// tools.
bool isLookedAt(std::string_view key) { return key.starts_with("llama.") || findField(fieldsOfGguf, key) != nullptr; }

/// Sizes that a file may give layer by layer: one value where all layers agree.
void joinLayers(Json &metadata) {
  for (std::string_view key : {ggufKeys.intermediateSize, ggufKeys.heads, ggufKeys.kvHeads}) {
    auto it = metadata.find(key);
    if (it != metadata.end() && it->is_array() && !it->empty() &&
        std::all_of(it->begin(), it->end(), [&](const Json &size) { return size == it->front(); }))
      *it = Json(it->front());
  }
}

/// A factor means linear scaling where no type is given; "none" scales by no factor.
void checkRope(FieldReader &fields) {
  constexpr std::string_view typeKey = "llama.rope.scaling.type";
  const std::string type = fields.text(typeKey);
  if (type == "none")
    return;
  if (!type.empty() && type != "linear")
    fields.refuse(typeKey, fmt::format("\"{}\"", shown(type)), fmt::format("\"none\": {}", noScaling));
  for (std::string_view key : {"llama.rope.scaling.factor", "llama.rope.scale_linear"})
    if (const Json *factor = fields.find(key); factor && *factor != 1 && *factor != 0) // 0: not said
      fields.refuse(key, shownJson(*factor), fmt::format("1: {}", noScaling));
}

void checkHeads(FieldReader &fields, const ModelConfig &config) {
  for (std::string_view key : {"llama.attention.value_length", "llama.rope.dimension_count"})
    if (const Json *value = fields.find(key); value && *value != config.headDim)
      fields.refuse(key, shownJson(*value), fmt::format("{}, the width of a head", config.headDim));
}

} // namespace

ModelConfig ggufModelConfig(const std::string &place, const Json &metadata, std::vector<std::string> &problems) {
  ModelConfig config;
  const Json *architecture = findMember(metadata, "general.architecture");
  Json known = Json::object();
  for (const auto &[key, value] : metadata.items())
    if (isLookedAt(key))
      known[key] = value;
  joinLayers(known);
  FieldReader fields(place, known, problems);
  judgeFields(place, known, fieldsOfGguf, problems);
  if (!architecture)
    fields.refuse("general.architecture", "missing", "\"llama\"");
  if (fields.failed()) // of another architecture every key would be missing, of a part of a file most
    return config;
  config.vocabSize = fields.size(ggufKeys.vocabSize, 0, maxSize);
  readShape(fields, ggufKeys, config);
  config.rmsNormEps = fields.positive(ggufKeys.rmsNormEps, std::nullopt, 1);
  config.ropeTheta = fields.positive(ggufKeys.ropeTheta, 10000, maxTheta);
  checkRope(fields);
  checkHeads(fields, config);
  return config;
}

} // namespace ft::rt
