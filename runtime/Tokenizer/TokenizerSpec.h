// What a tokenizer's file says, before any of it is believed.
#pragma once

#include "runtime/Support/Sha256.h"
#include "runtime/Tokenizer/AddedTokens.h"
#include "runtime/Tokenizer/PieceVocabulary.h"
#include "runtime/Tokenizer/TokenizerSteps.h"

namespace ft::rt {

class GgufFile;

/// Byte-pair encoding with ranked merges.
struct BytePairSpec {
  std::vector<std::pair<std::string, std::string>> merges; ///< in order of rank
  bool rankByProduct = false; ///< a merge's rank is its product's id instead: equal for all that have the same product
  bool ignoreMerges = false;  ///< a piece that is a token needs no merges (Llama 3)
  bool byteFallback = false;  ///< see BytePairModel::Options
  bool fuseUnknown = false;
  std::optional<std::string> unknown;
  bool operator==(const BytePairSpec &) const = default;
};

/// SentencePiece's models. `types` and `scores` are by id, one for each token.
struct PieceSpec {
  enum class Kind : uint8_t { BytePair, Unigram } kind = Kind::BytePair;
  std::vector<PieceType> types;
  std::vector<float> scores;
  bool byteFallback = false;
  bool operator==(const PieceSpec &) const = default;
};

/// The unigram model of tokenizer.json. `scores` are by id, one for each token.
struct UnigramSpec {
  std::vector<double> scores;
  uint32_t unknown = 0;
  bool byteFallback = false;
  bool operator==(const UnigramSpec &) const = default;
};

struct TokenizerSpec {
  std::string source; ///< file name, for messages
  std::vector<NormalizerStep> normalizer;
  std::vector<PreTokenizerStep> preTokenizer;
  std::vector<std::string> tokens; ///< the model's vocabulary by id; empty: no such token
  std::variant<BytePairSpec, PieceSpec, UnigramSpec> model;
  std::vector<AddedToken> added;
  std::vector<DecoderStep> decoder;
  std::vector<uint32_t> prefix, suffix; ///< what stands around every text, as the beginning of text does
  std::optional<uint32_t> bos, eos;
};

/// Of everything that tokens depend on.
Sha256Digest digestOf(const TokenizerSpec &spec);

/// The readers. Each refuses by name what it does not understand.
Expected<TokenizerSpec> readGgufTokenizer(const GgufFile &file);
/// Of tokenizer.json in a folder, and of tokenizer_config.json beside it.
Expected<TokenizerSpec> readJsonTokenizer(const std::string &folder);
/// Of tokenizer.model in a folder, and of tokenizer_config.json beside it.
Expected<TokenizerSpec> readSentencePieceTokenizer(const std::string &folder);
/// Of tekken.json in a folder, and of tokenizer_config.json beside it.
Expected<TokenizerSpec> readTekkenTokenizer(const std::string &folder);

} // namespace ft::rt
