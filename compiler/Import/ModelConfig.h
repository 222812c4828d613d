// config.json of a Hugging Face checkpoint: the shape of a model of the Llama family.
#pragma once

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace ft {

/// The fields of config.json that change what the model computes.
struct ModelConfig {
  std::string hubName; ///< `_name_or_path`; empty where the file has none
  int64_t vocabSize = 0;
  int64_t hiddenSize = 0;
  int64_t intermediateSize = 0;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t kvHeads = 0;
  int64_t headDim = 0;
  int64_t maxPositions = 0; ///< max_position_embeddings, in tokens
  double ropeTheta = 10000;
  double rmsNormEps = 1e-6;
  bool tiedHead = false;     ///< tie_word_embeddings: the head is the embedding table
  std::string text;          ///< the file as it is
  std::string canonicalJson; ///< the file, keys sorted and spaces gone: what a digest of the model is taken over
};

/// Reads the text of `file` (a name for messages). Fails with "<file>: <field> is <value>; must be <what>" on a field
/// that is missing, wrongly typed, out of range, or that changes the computation in a way that is not understood.
llvm::Expected<ModelConfig> parseModelConfig(llvm::StringRef file, llvm::StringRef text);

/// Reads `path`, a config.json or a directory with one.
llvm::Expected<ModelConfig> readModelConfig(llvm::StringRef path);

/// One value that the configuration of a loaded model must have, under its config.json key and its GGUF key (empty:
/// that format does not say). monostate: the key must be absent, null or false.
struct ModelFact {
  std::string configKey;
  std::string ggufKey;
  std::variant<std::monostate, int64_t, double, std::string, bool> expected;
  bool mayBeAbsent = false; ///< `expected` is what a missing key means
};

std::vector<ModelFact> modelFacts(const ModelConfig &config);

/// The linears of a layer by the last part of their names, in the layer's order: what adapters can stand beside.
std::vector<std::string> linearNames(const ModelConfig &config);

/// Those of them that PEFT adapts where a configuration of LoRA names none.
std::vector<std::string> defaultAdapterTargets(const ModelConfig &config);

} // namespace ft
