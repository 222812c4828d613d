// The pre-tokenizers that GGUF files name (tokenizer.ggml.pre).
#pragma once

#include "runtime/Support/Status.h"
#include "runtime/Tokenizer/TokenizerSteps.h"

namespace ft::rt {

/// The steps of a name, as the tokenizer.json of that family has them, and what its texts begin with and its pieces do
/// where a file does not say.
struct GgufPreTokenizer {
  std::vector<NormalizerStep> normalizer;
  std::vector<PreTokenizerStep> preTokenizer;
  bool ignoreMerges = false, addBos = false;
};

/// Any name that is not known is refused with the list of those known: a wrong pattern changes tokens silently.
Expected<GgufPreTokenizer> ggufPreTokenizer(std::string_view name);

} // namespace ft::rt
