// Qwen3, dense: heads of q and k are normalised, head_dim is free, there are no biases.
#include "runtime/Config/Families/Families.h"

namespace ft::rt {

namespace {

constexpr Field fieldsOfConfig[] = {
    readField("max_window_layers"),
    readField("use_sliding_window"),
};

void setDefaults(ModelConfig &config) {
  config.kvHeads = 32;
  config.headDim = 128;
  config.maxPositions = 32768;
}

} // namespace

constinit const ModelFamily qwen3Family{"qwen3",     "Qwen3ForCausalLM", "qwen3",        fieldsOfConfig,
                                        setDefaults, readUpperWindows,   readEqualLayers};

} // namespace ft::rt
