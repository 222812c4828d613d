// What a model says of itself, in config.json of a Hugging Face checkpoint or in the metadata of a GGUF file: the shape
// of a model of a family that is known (Families/), read by one reader for both programs.
#pragma once

#include "runtime/Config/Rope.h"
#include "runtime/Support/Json.h"

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace ft::rt {

/// What differs from layer to layer.
struct LayerConfig {
  int64_t window = 0;  ///< keys that a query sees, itself among them; 0: all of its document
  bool rotated = true; ///< q and k are rotated
  bool local = false;  ///< by localRope

  /// Whether the window hides keys in rows of so many tokens.
  bool hidesIn(int64_t sequenceLen) const { return window > 0 && window < sequenceLen; }
  bool operator==(const LayerConfig &) const = default;
};

/// What changes what the model computes.
struct ModelConfig {
  std::string family;    ///< `model_type`: which of Families/ it is
  std::string hubName;   ///< `_name_or_path`; empty where the file has none
  int64_t vocabSize = 0; ///< 0: a GGUF file that does not say
  int64_t hiddenSize = 0;
  int64_t intermediateSize = 0;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t kvHeads = 0;
  int64_t headDim = 0;
  int64_t maxPositions = 0; ///< max_position_embeddings, in tokens
  Rope rope;
  Rope localRope;                    ///< of layers that are local
  std::vector<LayerConfig> perLayer; ///< one for each layer
  double rmsNormEps = 1e-6;
  double queryScalar = 0; ///< scores are divided by the root of it; 0: of head_dim
  bool quantized = false; ///< quantization_config: the linears' weights are in NF4, as bitsandbytes writes them
  std::vector<std::string> notQuantized; ///< llm_int8_skip_modules: modules that are not
  bool tiedHead = false;     ///< tie_word_embeddings: the head is the embedding table; GGUF shows it by its tensors
  std::string text;          ///< config.json as it is
  std::string canonicalJson; ///< config.json, keys sorted and spaces gone: what a digest of the model is taken over
};

/// Reads the text of `file` (a name for messages). Fails with a line "<file>: <field> is <value>; must be <what>" for
/// each field that is missing, wrongly typed, out of range, or that changes the computation in a way that is not
/// supported, and for each that is not known.
Expected<ModelConfig> parseModelConfig(const std::string &file, std::string_view text);
/// Reads `path`, a config.json or a directory with one.
Expected<ModelConfig> readModelConfig(const std::string &path);
/// The same of an object, where more may be wrong than the config: adds problems instead.
ModelConfig modelConfigOf(const std::string &place, const Json &config, std::vector<std::string> &problems);
/// Of a GGUF file's metadata as one object, arrays shortened where nobody reads them.
ModelConfig ggufModelConfig(const std::string &place, const Json &metadata, std::vector<std::string> &problems);

/// One value that the configuration of a loaded model must have, under its config.json key and its GGUF key (empty:
/// that format does not say).
struct ModelFact {
  std::string configKey;
  std::string ggufKey;
  std::variant<int64_t, double, std::string, bool> expected;
  bool mayBeAbsent = false; ///< `expected` is what a missing key means
};

/// What the compiler puts into a plan, and the runtime compares with the same of the model that it is given.
std::vector<ModelFact> modelFacts(const ModelConfig &config);

} // namespace ft::rt
