// Gemma 3, text: five local layers, with a window and a rope of their own, for each global one.
#include "runtime/Config/Families/Families.h"

namespace ft::rt {

namespace {

constexpr Field fieldsOfConfig[] = {
    only("hidden_act", R"(["gelu_pytorch_tanh"])", "a Gemma 3 has no other"),
    only("hidden_activation", R"(["gelu_pytorch_tanh"])", "a Gemma 3 has no other"),
    harmless("_sliding_window_pattern"), // its older name is read
    readField("query_pre_attn_scalar"),
    readField("rope_local_base_freq"),
    readField("sliding_window_pattern"),
    only("use_bidirectional_attention", "[false]", "attention is causal"),
};

constexpr Field fieldsOfGguf[] = {
    readField("attention.sliding_window"),
    readField("attention.sliding_window_pattern"),
    readField("rope.freq_base_swa"),
};

void setDefaults(ModelConfig &config) {
  config.vocabSize = 262208;
  config.heads = 8;
  config.kvHeads = 4;
  config.headDim = 256;
  config.maxPositions = 131072;
  config.rope.theta = 1e6;
  config.localRope.theta = 1e4;
  config.queryScalar = 256;
  config.tiedHead = true;
}

void readLayers(FieldReader &fields, ModelConfig &config) {
  const int64_t every = fields.size("sliding_window_pattern", 6, maxSize);
  const int64_t window = fields.size("sliding_window", 4096, maxSize);
  readLayerTypes(fields, config, window, [&](int64_t layer) { return (layer + 1) % every != 0; });
  for (LayerConfig &layer : config.perLayer) // those that slide are the local ones
    layer.local = layer.window > 0;
  config.queryScalar = fields.positive("query_pre_attn_scalar", 256, maxSize);
  if (fields.find("rope_local_base_freq"))
    config.localRope.theta = fields.positive("rope_local_base_freq", std::nullopt, maxTheta);
}

/// llama.cpp knows how many layers are local and how they rotate; how scores are scaled it tells by the largest model's
/// number of layers.
void readGgufLayers(FieldReader &fields, ModelConfig &config) {
  constexpr int64_t layersOfLargest = 62;
  const int64_t every = fields.size("attention.sliding_window_pattern", 6, maxSize);
  const int64_t window = fields.size("attention.sliding_window", std::nullopt, maxSize);
  readLayerTypes(fields, config, window, [&](int64_t layer) { return (layer + 1) % every != 0; });
  for (LayerConfig &layer : config.perLayer)
    layer.local = layer.window > 0;
  config.localRope.theta = fields.positive("rope.freq_base_swa", 1e4, maxTheta);
  config.queryScalar = double(config.layers == layersOfLargest ? config.hiddenSize / config.heads : config.headDim);
}

} // namespace

constinit const ModelFamily gemma3Family{"gemma3_text", "Gemma3ForCausalLM", "gemma3", fieldsOfConfig, setDefaults,
                                         readLayers,    readGgufLayers,      true,     fieldsOfGguf,   1};

} // namespace ft::rt
