// The tables of a model's fields. Internal to this folder.
#pragma once

#include "runtime/Config/Fields.h"
#include "runtime/Config/ModelConfig.h"

namespace ft::rt {

/// Members of config.json, whatever the family.
std::span<const Field> configFields();
/// Members of its quantization_config.
std::span<const Field> quantizationFields();

/// Reads one object that says how a rope scales (rope_scaling, or rope_parameters as newer files have it), and
/// rope_theta, which it may hold. `theta` is what the file has said of that so far. `name` is what the object is
/// called.
void readRope(const std::string &place, const std::string &name, const Json &object, std::optional<double> &theta,
              int64_t maxPositions, Rope &rope, std::vector<std::string> &problems);

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
/// Behind the architecture's name and a dot.
inline constexpr ModelKeys ggufKeys{"vocab_size",           "embedding_length",
                                    "feed_forward_length",  "block_count",
                                    "attention.head_count", "attention.head_count_kv",
                                    "attention.key_length", "context_length",
                                    "rope.freq_base",       "attention.layer_norm_rms_epsilon"};

/// The quantities that both formats hold, and what ties them to each other. Where `config` has one, that is what its
/// absence means.
void readShape(FieldReader &fields, const ModelKeys &keys, ModelConfig &config);

} // namespace ft::rt
