// Tokens back to text.
#pragma once

#include "runtime/Tokenizer/TokenizerSteps.h"

#include <span>
#include <vector>

namespace ft::rt {

/// The text of tokens, each as its vocabulary writes it, by the steps of a tokenizer.json's decoder one after the
/// other; well-formed UTF-8. Without a step the tokens are joined by blanks, as `tokenizers` does. A ReplaceStep here
/// has no expression.
std::string decodeTokens(std::vector<std::string> tokens, std::span<const DecoderStep> steps);

} // namespace ft::rt
