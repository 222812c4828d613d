#include "compiler/Import/ModelConfig.h"

using namespace ft;

static llvm::Expected<ModelConfig> orError(rt::Expected<ModelConfig> config) {
  if (!config.ok())
    return llvm::createStringError(config.status().message());
  return std::move(*config);
}

llvm::Expected<ModelConfig> ft::parseModelConfig(llvm::StringRef file, llvm::StringRef text) {
  return orError(rt::parseModelConfig(file.str(), text));
}

llvm::Expected<ModelConfig> ft::readModelConfig(llvm::StringRef path) {
  return orError(rt::readModelConfig(path.str()));
}

std::vector<std::string> ft::linearNames(const ModelConfig &) {
  return {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"};
}

std::vector<std::string> ft::defaultAdapterTargets(const ModelConfig &) { return {"q_proj", "v_proj"}; }
