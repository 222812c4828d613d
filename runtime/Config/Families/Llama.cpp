// Llama 2, 3 and 3.x, TinyLlama, OpenLLaMA, SmolLM2: what all other families are described against.
#include "runtime/Config/Families/Families.h"

namespace ft::rt {

namespace {

void setDefaults(ModelConfig &) {}

void readLayers(FieldReader &fields, ModelConfig &config) {
  readEqualLayers(fields, config);
  const Json *window = fields.find("sliding_window"), *used = fields.find("use_sliding_window");
  if (window && !(used && *used == false))
    fields.refuse("sliding_window", shownJson(*window), "null, or use_sliding_window false: a Llama has no window");
}

} // namespace

constinit const ModelFamily llamaFamily{"llama",     "LlamaForCausalLM", "llama",        {},
                                        setDefaults, readLayers,         readEqualLayers};

} // namespace ft::rt
