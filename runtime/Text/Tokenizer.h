// Byte-level byte-pair tokenizers of the GPT-2 family (GPT-2, StarCoder, SmolLM, Llama 3): text to token ids and back.
#pragma once

#include "runtime/Support/Sha256.h"
#include "runtime/Text/BytePairEncoder.h"
#include "runtime/Text/PreTokenizer.h"

#include <optional>
#include <set>
#include <span>

namespace ft::rt {

class GgufFile;

/// What a tokenizer's file says, before any of it is believed.
struct TokenizerSpec {
  enum class Kind : uint8_t {
    Normal,  ///< made by merges only
    Added,   ///< matched in the text before anything else
    Control, ///< matched likewise; left out where decoding skips control tokens
  };
  std::string source;                                      ///< file name, for messages
  std::string pre;                                         ///< see PreTokenizer::named
  std::vector<std::string> tokens;                         ///< by id, in the byte-level alphabet; empty: no such token
  std::vector<Kind> kinds;                                 ///< by id
  std::set<uint32_t> normalized;                           ///< added tokens matched between the others only
  std::vector<std::pair<std::string, std::string>> merges; ///< in order of rank
  bool ignoreMerges = false;                               ///< a piece that is a token needs no merges (Llama 3)
  bool addBos = false;                                     ///< a text starts with `bos`
  std::optional<uint32_t> bos, eos;
};

/// Immutable after create(); every function may run on several threads.
/// Token for token equal to Hugging Face's `tokenizers` for the same vocabulary. A byte that the vocabulary has no
/// token for gives none, as there.
class Tokenizer {
public:
  /// Refuses, naming source and value, what is inconsistent: an unknown pre-tokenizer, merges of unknown tokens,
  /// special ids outside the vocabulary.
  static Expected<Tokenizer> create(TokenizerSpec spec);

  /// Appends the ids of `text`, without beginning or end of text. Ill-formed UTF-8 is read as U+FFFD. Control and
  /// added tokens are matched wherever they stand, leftmost and longest first; those that are `normalized` after the
  /// others, in what these leave.
  Status encode(std::string_view text, std::vector<uint32_t> &ids) const;

  /// Well-formed UTF-8 (U+FFFD where the bytes of the ids are none). Ids outside the vocabulary give nothing.
  std::string decode(std::span<const uint32_t> ids, bool skipControl) const;

  uint32_t vocabSize() const { return uint32_t(tokenBytes.size()); }
  /// The id of a control or added token, by its text.
  std::optional<uint32_t> special(std::string_view text) const;
  bool addBos() const { return startsWithBos; }
  std::optional<uint32_t> bos() const { return bosId; }
  std::optional<uint32_t> eos() const { return eosId; }
  /// Of everything that tokens depend on: vocabulary, kinds, merges, pre-tokenizer, flags.
  const Sha256Digest &digest() const { return identity; }
  const std::string &source() const { return sourceName; }

private:
  Tokenizer(PreTokenizer pre, BytePairEncoder encoder) : pre(std::move(pre)), encoder(std::move(encoder)) {}
  /// Added tokens by first byte, longest first.
  using AddedIndex = std::array<std::vector<uint32_t>, 256>;
  Status encodePlain(std::string_view text, BytePairEncoder::Scratch &scratch, std::vector<uint32_t> &ids) const;
  /// Matches the added tokens of the indices from `index` on, one index after the other.
  Status encodeFrom(size_t index, std::string_view text, BytePairEncoder::Scratch &scratch,
                    std::vector<uint32_t> &ids) const;
  /// The added token that starts at `text`'s first byte, the longest one.
  std::optional<uint32_t> matchAdded(const AddedIndex &index, std::string_view text) const;
  void indexAdded(const TokenizerSpec &spec);

  PreTokenizer pre;
  BytePairEncoder encoder;
  std::string sourceName;
  std::vector<std::string> tokenBytes;
  std::vector<TokenizerSpec::Kind> kinds;
  std::array<AddedIndex, 2> added;                            ///< the second: normalized
  std::unordered_map<std::string_view, uint32_t> wholePieces; ///< views of tokenBytes; filled where merges are ignored
  bool startsWithBos = false;
  std::optional<uint32_t> bosId, eosId;
  Sha256Digest identity{};
};

/// The tokenizer of a model: a GGUF file, or Hugging Face's tokenizer.json in a folder or beside a .safetensors file.
/// Refuses tokenizers of other families (SentencePiece, WordPiece) by name.
Expected<Tokenizer> loadTokenizer(const std::string &modelPath);

/// The two readers behind it.
Expected<TokenizerSpec> readGgufTokenizer(const GgufFile &file);
Expected<TokenizerSpec> readJsonTokenizer(const std::string &folder);

} // namespace ft::rt
