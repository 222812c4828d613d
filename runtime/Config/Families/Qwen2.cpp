// Qwen2 and Qwen2.5: biases on q, k and v, always; windows in the upper layers where use_sliding_window says so.
#include "runtime/Config/Families/Families.h"

namespace ft::rt {

namespace {

constexpr Field fieldsOfConfig[] = {
    only("attention_bias", "[true]", "a Qwen2 has biases on q, k and v"),
    only("qkv_bias", "[true]", "a Qwen2 has biases on q, k and v"),
    readField("max_window_layers"),
    readField("use_sliding_window"),
    only("use_mrope", "[false]", "positions of images are not there"),
};

void setDefaults(ModelConfig &config) {
  config.kvHeads = 32;
  config.maxPositions = 32768;
}

} // namespace

constinit const ModelFamily qwen2Family{"qwen2",     "Qwen2ForCausalLM", "qwen2",        fieldsOfConfig,
                                        setDefaults, readUpperWindows,   readEqualLayers};

} // namespace ft::rt
