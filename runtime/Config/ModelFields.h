// The tables of a model's fields. Internal to this folder.
#pragma once

#include "runtime/Config/Fields.h"
#include "runtime/Config/ModelConfig.h"

namespace ft::rt {

/// Members of config.json.
std::span<const Field> configFields();
/// Members of its quantization_config.
std::span<const Field> quantizationFields();
/// Members of its rope_scaling and rope_parameters where neither scales.
std::span<const Field> ropeFields();

// Sizes beyond this are mistakes; the bound keeps every product of two sizes inside 64 bits.
inline constexpr int64_t maxSize = int64_t(1) << 30;
inline constexpr double maxTheta = 1e12;

/// The names of one quantity in the two formats.
struct ModelKeys {
  std::string_view vocabSize, hiddenSize, intermediateSize, layers, heads, kvHeads, headDim, maxPositions, ropeTheta,
      rmsNormEps;
};
inline constexpr ModelKeys configKeys{
    "vocab_size",          "hidden_size", "intermediate_size",       "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "head_dim",    "max_position_embeddings", "rope_theta",        "rms_norm_eps"};
inline constexpr ModelKeys ggufKeys{"llama.vocab_size",           "llama.embedding_length",
                                    "llama.feed_forward_length",  "llama.block_count",
                                    "llama.attention.head_count", "llama.attention.head_count_kv",
                                    "llama.attention.key_length", "llama.context_length",
                                    "llama.rope.freq_base",       "llama.attention.layer_norm_rms_epsilon"};

/// The quantities that both formats hold, and what ties them to each other.
void readShape(FieldReader &fields, const ModelKeys &keys, ModelConfig &config);

} // namespace ft::rt
