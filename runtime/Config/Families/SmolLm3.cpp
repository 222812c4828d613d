// SmolLM3: a Llama in which every fourth layer, or those that no_rope_layers has 0 for, does not rotate q and k.
#include "runtime/Config/Families/Families.h"

#include <fmt/format.h>

namespace ft::rt {

namespace {

constexpr Field fieldsOfConfig[] = {
    harmless("max_window_layers"), // which layers slide follows from those that are not rotated
    readField("no_rope_layer_interval"),
    readField("no_rope_layers"),
    readField("use_sliding_window"),
};

void setDefaults(ModelConfig &config) {
  config.kvHeads = 4;
  config.maxPositions = 32768;
  config.rope.theta = 2e6;
  config.tiedHead = true;
}

void readUnrotated(FieldReader &fields, ModelConfig &config) {
  const int64_t interval = fields.size("no_rope_layer_interval", 4, maxSize);
  const Json *rotated = fields.find("no_rope_layers"); // 1: rotated
  if (rotated && (!rotated->is_array() || rotated->size() != config.perLayer.size()))
    return fields.refuse("no_rope_layers", shownJson(*rotated), fmt::format("a list of {}", config.layers));
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    bool &is = config.perLayer[size_t(layer)].rotated;
    is = (layer + 1) % interval != 0;
    if (!rotated)
      continue;
    const Json &flag = (*rotated)[size_t(layer)];
    if (flag != 0 && flag != 1)
      return fields.refuse("no_rope_layers", shownJson(*rotated), "of 0 and 1");
    is = flag == 1;
  }
}

void readLayers(FieldReader &fields, ModelConfig &config) {
  config.perLayer.resize(size_t(config.layers));
  readUnrotated(fields, config);
  readLayerTypes(fields, config, optionalWindow(fields, std::nullopt),
                 [&](int64_t layer) { return !config.perLayer[size_t(layer)].rotated; });
}

/// llama.cpp takes every fourth layer.
void readGgufLayers(FieldReader &fields, ModelConfig &config) {
  readEqualLayers(fields, config);
  for (int64_t layer = 3; layer < config.layers; layer += 4)
    config.perLayer[size_t(layer)].rotated = false;
}

} // namespace

constinit const ModelFamily smolLm3Family{"smollm3",   "SmolLM3ForCausalLM", "smollm3",     fieldsOfConfig,
                                          setDefaults, readLayers,           readGgufLayers};

} // namespace ft::rt
