// From a tokenizer's specification to its model.
#pragma once

#include "runtime/Tokenizer/BytePairModel.h"
#include "runtime/Tokenizer/JsonUnigramModel.h"
#include "runtime/Tokenizer/PieceBpeModel.h"
#include "runtime/Tokenizer/TokenizerSpec.h"
#include "runtime/Tokenizer/UnigramModel.h"

namespace ft::rt {

using TokenizerModel = std::variant<BytePairModel, PieceBpeModel, UnigramModel, JsonUnigramModel>;

/// `byteLevel`: tokens are written in GPT-2's alphabet and the model sees bytes. Refuses, naming it, what a vocabulary
/// does not have: a part or product of a merge, the unknown token, a byte where bytes are the fallback.
Expected<TokenizerModel> makeModel(const TokenizerSpec &spec, bool byteLevel);

/// Whether a text may be cut in front of each run of U+2581 without a change in its tokens: no token reaches over such
/// a place, and U+2581 itself is a token. The pieces then are words, which come again and again.
bool mayCutWords(const TokenizerSpec &spec, bool byteLevel);

} // namespace ft::rt
