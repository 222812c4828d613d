// The files beside a model's weights that say how text becomes tokens.
#pragma once

#include "runtime/Tokenizer/TokenizerSpec.h"
#include "runtime/Weights/Model.h"

namespace ft::rt {

struct NamedFile {
  std::string name, content;
};

/// What Hugging Face puts beside a model's weights to make them usable with text: tokenizer, chat template, generation
/// defaults. Of a folder or a .safetensors file, the files that lie there, byte for byte; of a GGUF file,
/// tokenizer.json (kind gpt2) or tokenizer.model (kind llama) and tokenizer_config.json written from its metadata;
/// nothing of a seed. Fails with BadInput where a file cannot be read or the metadata's tokenizer is not supported.
Expected<std::vector<NamedFile>> tokenizerFiles(const ModelSource &model);

/// A byte-pair tokenizer as tokenizer.json, which `tokenizers` and readJsonTokenizer() read to the same ids.
std::string tokenizerJson(const TokenizerSpec &spec);
/// A tokenizer of pieces as SentencePiece's tokenizer.model, which the library and readSentencePieceTokenizer() read to
/// the same ids.
std::string sentencePieceModel(const TokenizerSpec &spec);
/// tokenizer_config.json beside either: special tokens by name, and the chat template (Jinja) where there is one.
std::string tokenizerConfigJson(const TokenizerSpec &spec, const std::string &chatTemplate);

} // namespace ft::rt
