// SentencePiece's normalisation of one text.
#pragma once

#include "runtime/Tokenizer/ByteTrie.h"
#include "runtime/Tokenizer/CharsMap.h"
#include "runtime/Tokenizer/TokenizerSteps.h"

namespace ft::rt {

/// As the library's Normalizer::Normalize; `text` may be any bytes. `fixed` holds the strings that stay.
std::string normalizeSentencePiece(std::string_view text, const SentencePieceStep &step, const CharsMap &charsMap,
                                   const ByteTrie &fixed);

} // namespace ft::rt
