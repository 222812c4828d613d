// Unicode's normalisation forms, as `tokenizers` computes them.
#pragma once

#include "runtime/Support/Status.h"
#include "runtime/Tokenizer/TokenizerSteps.h"

namespace ft::rt {

/// Rewrites well-formed UTF-8, in O(n log n). Fails only where utf8proc does.
Status toNormalForm(std::string &text, NormalForm form);

} // namespace ft::rt
