// What plans and models are compared by.
#include "runtime/Config/Families/Families.h"
#include "runtime/Config/ModelFields.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt {

namespace {

/// One letter for each layer, so that one value says what all of them are.
template <typename Letter> std::string layerText(const ModelConfig &config, Letter letter) {
  std::string text;
  for (const LayerConfig &layer : config.perLayer)
    text += letter(layer);
  return text;
}

class FactWriter {
public:
  explicit FactWriter(const ModelConfig &config) : config(config), family(familyOfModelType(config.family)) {}

  std::vector<ModelFact> write() {
    facts.push_back({"model_type", "", config.family});
    facts.push_back({"", "general.architecture", std::string(family ? family->ggufArchitecture : "")});
    addShape();
    addRope(config.rope);
    facts.push_back({"rope_theta", gguf("rope.freq_base"), config.rope.theta, config.rope.theta == 10000});
    addLayers();
    facts.push_back({"tie_word_embeddings", "", config.tiedHead, !config.tiedHead});
    if (config.vocabSize)
      facts.push_back({"vocab_size", gguf("vocab_size"), config.vocabSize, true});
    return std::move(facts);
  }

private:
  std::string gguf(std::string_view key) const {
    return fmt::format("{}.{}", family ? family->ggufArchitecture : "llama", key);
  }

  void addShape() {
    facts.insert(
        facts.end(),
        {{"hidden_size", gguf("embedding_length"), config.hiddenSize},
         {"intermediate_size", gguf("feed_forward_length"), config.intermediateSize},
         {"num_hidden_layers", gguf("block_count"), config.layers},
         {"num_attention_heads", gguf("attention.head_count"), config.heads},
         {"num_key_value_heads", gguf("attention.head_count_kv"), config.kvHeads, config.kvHeads == config.heads},
         {"head_dim", gguf("attention.key_length"), config.headDim, config.headDim * config.heads == config.hiddenSize},
         {"rms_norm_eps", gguf("attention.layer_norm_rms_epsilon"), config.rmsNormEps, config.rmsNormEps == 1e-6}});
  }

  /// Files that do not scale need not say so. A GGUF file scales as Llama 3 does by a tensor, which Weights compares.
  void addRope(const Rope &rope) {
    const bool isTensor = rope.type == Rope::Type::Llama3;
    auto key = [&](const char *field) { return fmt::format("rope_scaling.{}", field); };
    auto ggufKey = [&](const char *field) { return isTensor ? "" : gguf(fmt::format("rope.scaling.{}", field)); };
    facts.push_back({key("rope_type"), ggufKey("type"), std::string(ropeTypeName(rope.type))});
    if (rope.type == Rope::Type::Default)
      return;
    facts.push_back({key("factor"), ggufKey("factor"), rope.factor});
    if (rope.type != Rope::Type::Linear)
      facts.push_back(
          {key("original_max_position_embeddings"), ggufKey("original_context_length"), rope.originalPositions});
    if (rope.type == Rope::Type::Llama3)
      facts.insert(facts.end(), {{key("low_freq_factor"), "", rope.lowFrequency},
                                 {key("high_freq_factor"), "", rope.highFrequency}});
    if (rope.type == Rope::Type::Yarn)
      facts.insert(facts.end(), {{key("attention_factor"), "", rope.amplitude},
                                 {key("beta_fast"), "", rope.fastTurns},
                                 {key("beta_slow"), "", rope.slowTurns},
                                 {key("truncate"), "", rope.wholePairs}});
  }

  void addLayers() {
    int64_t window = 0;
    for (const LayerConfig &layer : config.perLayer)
      window = std::max(window, layer.window);
    // What llama.cpp knows of a family's windows its files say, but for a Mistral's, which to it is a Llama.
    auto windowKey = [&](const char *key) { return family && family->hasLocalRope ? gguf(key) : std::string(); };
    facts.push_back({"sliding_window", windowKey("attention.sliding_window"), window, window == 0});
    facts.push_back({"layer_types", windowKey("attention.sliding_window_pattern"),
                     layerText(config, [](auto &layer) { return layer.window ? 's' : 'f'; })});
    facts.push_back({"no_rope_layers", "", layerText(config, [](auto &layer) { return layer.rotated ? '1' : '0'; })});
    if (family && family->hasLocalRope)
      facts.push_back({"rope_local_base_freq", gguf("rope.freq_base_swa"), config.localRope.theta,
                       config.localRope.theta == 10000});
    if (config.queryScalar > 0)
      facts.push_back({"query_pre_attn_scalar", gguf("attention.key_length"), config.queryScalar});
  }

  const ModelConfig &config;
  const ModelFamily *family;
  std::vector<ModelFact> facts;
};

} // namespace

std::vector<ModelFact> modelFacts(const ModelConfig &config) { return FactWriter(config).write(); }

} // namespace ft::rt
