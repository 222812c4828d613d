// The shape of a model as the compiler asks for it: runtime/Config reads it, for both programs.
#pragma once

#include "runtime/Config/ModelConfig.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace ft {

using rt::LayerConfig;
using rt::ModelConfig;
using rt::ModelFact;
using rt::modelFacts;

/// Reads the text of `file` (a name for messages), as rt::parseModelConfig does.
llvm::Expected<ModelConfig> parseModelConfig(llvm::StringRef file, llvm::StringRef text);

/// Reads `path`, a config.json or a directory with one.
llvm::Expected<ModelConfig> readModelConfig(llvm::StringRef path);

/// The linears of a layer by the last part of their names, in the layer's order: what adapters can stand beside.
std::vector<std::string> linearNames(const ModelConfig &config);

/// Those of them that PEFT adapts where a configuration of LoRA names none.
std::vector<std::string> defaultAdapterTargets(const ModelConfig &config);

} // namespace ft
