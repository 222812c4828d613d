// What the files beside a tokenizer's say about its tokens.
#pragma once

#include "runtime/Support/Json.h"
#include "runtime/Tokenizer/TokenizerSpec.h"

namespace ft::rt {

inline constexpr char addedFileKey[] = "added_tokens.json";

/// tokenizer_config.json of a folder; null where there is nothing of it. As in `transformers`, where it has no
/// added_tokens_decoder special_tokens_map.json goes before it, and added_tokens.json, as the member of that name, has
/// what entries of added_tokens_decoder have.
Expected<Json> readNamedTokens(const std::string &folder);

/// What `config`, as readNamedTokens has it, says of the tokens of a tokenizer.json: entries of its
/// added_tokens_decoder go before those of tokenizer.json, and a token of the vocabulary that it names is found in
/// texts as added ones are. Refuses a token that tokenizer.json has nowhere, which would get an id that the model does
/// not know, and split_special_tokens.
Status readBesideJson(const std::string &folder, const Json &config, TokenizerSpec &spec);

} // namespace ft::rt
