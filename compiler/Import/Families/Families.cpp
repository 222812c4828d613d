#include "compiler/Import/Families/Families.h"

#include "llvm/ADT/StringSwitch.h"

using namespace ft;

/// A Mistral and a SmolLM3 are Llamas whose layers have windows, or are not rotated: their configurations say which.
const Family &ft::familyOf(const ModelConfig &config) {
  return *llvm::StringSwitch<const Family *>(config.family)
              .Case("gemma3_text", &gemma3)
              .Case("qwen2", &qwen2)
              .Case("qwen3", &qwen3)
              .Default(&llama);
}
