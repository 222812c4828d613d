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

void setDefaults(ModelConfig &config) {
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

} // namespace

constinit const ModelFamily gemma3Family{"gemma3_text", "Gemma3ForCausalLM", "",      fieldsOfConfig,
                                         setDefaults,   readLayers,          nullptr, true};

} // namespace ft::rt
