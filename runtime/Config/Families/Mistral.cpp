// Mistral 7B: a Llama whose layers may all have a window (v0.1: 4096; later ones none). In GGUF it is a Llama.
#include "runtime/Config/Families/Families.h"

namespace ft::rt {

namespace {

constexpr int64_t absentWindow = 4096; // Transformers' default; null means none

void setDefaults(ModelConfig &config) {
  config.kvHeads = 8;
  config.maxPositions = 131072;
}

void readLayers(FieldReader &fields, ModelConfig &config) {
  const int64_t window = fields.isNull("sliding_window") ? 0 : fields.size("sliding_window", absentWindow, maxSize);
  readLayerTypes(fields, config, window, [](int64_t) { return true; });
  for (const LayerConfig &layer : config.perLayer) // Transformers reads no layer_types of a Mistral
    if (layer.window != window)
      return fields.refuse("layer_types", shownJson(*fields.find("layer_types")),
                           "of \"sliding_attention\", where there is a sliding_window: a Mistral's layers are alike");
}

} // namespace

constinit const ModelFamily mistralFamily{"mistral",   "MistralForCausalLM", "llama",        {},
                                          setDefaults, readLayers,           readEqualLayers};

} // namespace ft::rt
