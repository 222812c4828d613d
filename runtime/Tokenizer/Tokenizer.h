// Text to token ids and back.
#pragma once

#include "runtime/Tokenizer/AddedTokens.h"
#include "runtime/Tokenizer/Normalizer.h"
#include "runtime/Tokenizer/PieceCache.h"
#include "runtime/Tokenizer/PreTokenizer.h"
#include "runtime/Tokenizer/TokenizerModels.h"
#include "runtime/Tokenizer/TokenizerSpec.h"

namespace ft::rt {

/// Normaliser, pre-tokenizer, model and what stands around a text, with added tokens found in front of all.
/// Immutable after create(); every function may run on several threads.
/// Token for token equal to `tokenizers` for a tokenizer.json, and to `sentencepiece` for a tokenizer.model and
/// `mistral-common` for a tekken.json (to both, control tokens are no text: Specials::AsText).
class Tokenizer {
public:
  /// Refuses, naming source and value, what is inconsistent: merges of unknown tokens, ids outside the vocabulary,
  /// expressions that cannot be read.
  static Expected<Tokenizer> create(TokenizerSpec spec);

  /// What control tokens in a text are.
  enum class Specials : uint8_t { Matched, AsText };

  /// What one thread needs; reused from text to text it remembers the pieces that come often.
  class Scratch;

  /// Appends the ids of `text`, without what stands around a text. Ill-formed UTF-8 is read as U+FFFD. Added tokens are
  /// matched wherever they stand, leftmost and longest first; those that are `normalized` after the others, in what
  /// these leave.
  Status encode(std::string_view text, std::vector<uint32_t> &ids, Scratch &scratch,
                Specials specials = Specials::Matched) const;
  /// The same with a Scratch of its own.
  Status encode(std::string_view text, std::vector<uint32_t> &ids, Specials specials = Specials::Matched) const;

  /// The same of well-formed UTF-8, and where places of the text lie among the ids: appends to `at`, for each of
  /// `marks` (bytes of `text`, ascending), how many of `ids` stand for what is in front of it. A token that reaches
  /// over a mark is behind it, and so are those before it that would be others if the text ended at the mark.
  Status encode(std::string_view text, std::span<const size_t> marks, std::vector<uint32_t> &ids,
                std::vector<uint32_t> &at, Scratch &scratch) const;

  /// Well-formed UTF-8 (U+FFFD where the bytes of the ids are none). Ids outside the vocabulary give nothing.
  std::string decode(std::span<const uint32_t> ids, bool skipControl) const;

  uint32_t vocabSize() const { return uint32_t(texts.size()); }
  /// A control token, which is no text.
  bool isControl(uint32_t id) const { return id < control.size() && control[id]; }
  /// The id of an added token, by its text.
  std::optional<uint32_t> special(std::string_view text) const;
  /// What the tokenizer puts in front of every text (a beginning of text), and behind it.
  std::span<const uint32_t> prefix() const { return before; }
  std::span<const uint32_t> suffix() const { return behind; }
  std::optional<uint32_t> bos() const { return bosId; }
  std::optional<uint32_t> eos() const { return eosId; }
  /// Of everything that tokens depend on.
  const Sha256Digest &digest() const { return identity; }
  const std::string &source() const { return sourceName; }

private:
  Tokenizer(Normalizer normalizer, PreTokenizer pre, TokenizerModel model)
      : normalizer(std::move(normalizer)), pre(std::move(pre)), model(std::move(model)) {}
  Status takeTokens(const TokenizerSpec &spec);
  /// Plain text between the added tokens that are matched first.
  Status encodeText(std::string_view text, bool first, Specials specials, Scratch &scratch,
                    std::vector<uint32_t> &ids) const;
  Status encodeNormalized(std::string_view text, bool first, Scratch &scratch, std::vector<uint32_t> &ids) const;
  Status startEncoding(std::string_view &text, Specials specials, Scratch &scratch) const;
  void encodePiece(std::string_view piece, Scratch &scratch, std::vector<uint32_t> &ids) const;

  Normalizer normalizer;
  PreTokenizer pre;
  TokenizerModel model;
  bool cutsWords = false;                ///< pieces may be cut in front of each run of U+2581
  AddedTokens addedRaw, addedNormalized; ///< matched in front of the normaliser, and behind it
  std::vector<std::string> texts;        ///< by id, for decoding
  std::vector<bool> control;             ///< by id
  std::unordered_map<std::string, uint32_t> specials;
  std::vector<DecoderStep> decoder;
  std::vector<uint32_t> before, behind;
  std::optional<uint32_t> bosId, eosId;
  std::string sourceName;
  Sha256Digest identity{};
};

class Tokenizer::Scratch {
private:
  friend class Tokenizer;
  PreTokenizer::Scratch pre;
  BytePairModel::Scratch bytePair;
  PieceBpeModel::Scratch pieceBpe;
  UnigramModel::Scratch unigram;
  JsonUnigramModel::Scratch jsonUnigram;
  PieceCache cache;
  Sha256Digest owner{}; ///< of the tokenizer whose pieces the cache has
  std::string wellFormed, normalized;
  std::vector<AddedTokens::Part> parts, normalizedParts;
};

/// The tokenizer of a model, named as --model names it: of a GGUF file, or of a folder (or that of a .safetensors file)
/// tokenizer.json, else tokenizer.model, else tekken.json.
Expected<Tokenizer> loadTokenizer(const std::string &model);

} // namespace ft::rt
