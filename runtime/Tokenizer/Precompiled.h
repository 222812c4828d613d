// The normaliser that tokenizer.json takes over from SentencePiece.
#pragma once

#include "runtime/Tokenizer/CharsMap.h"

namespace ft::rt {

/// As `tokenizers`' Precompiled: a short cluster of characters that a rule starts with becomes what the shortest such
/// rule says, as a whole; of others each character. `text` is well-formed.
std::string normalizePrecompiled(std::string_view text, const CharsMap &charsMap);

} // namespace ft::rt
