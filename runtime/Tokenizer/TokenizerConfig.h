// What the readers of tokenizers share; tokenizer_config.json: which tokens begin and end a text.
#pragma once

#include "runtime/Tokenizer/TokenizerSpec.h"

namespace ft::rt {

/// No id of a vocabulary lies above: a file must not make a reader allocate for it.
constexpr uint64_t MaxVocabulary = 1u << 24;

/// Puts bos_token, eos_token, add_bos_token and add_eos_token of the folder's tokenizer_config.json into `spec`, whose
/// vocabulary is there; `addBos`: what holds where the file does not say, nothing for what `spec.prefix` has. A folder
/// without the file changes nothing but that. Beside a tokenizer.json, also what BesideJson.h says.
Status readTokenizerConfig(const std::string &folder, std::optional<bool> addBos, TokenizerSpec &spec);

/// The id of a token of the vocabulary or of an added one.
std::optional<uint32_t> idOfToken(const TokenizerSpec &spec, std::string_view token);

/// Pieces back to text, as Hugging Face's Llama tokenizers decode; `dummyPrefix`: without the blank that was put in
/// front.
std::vector<DecoderStep> sentencePieceDecoder(bool dummyPrefix);

/// Makes the beginning of text the first of every text's tokens, or none of them.
void setBeginsWithBos(TokenizerSpec &spec, bool begins);

} // namespace ft::rt
