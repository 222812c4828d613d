// Byte-pair encoding with ranked merges (Sennrich et al. 2016), over bytes as in GPT-2 or over characters.
#pragma once

#include "runtime/Tokenizer/FlatMap.h"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace ft::rt {

/// Merges adjacent symbols, always the pair of lowest rank and among equals the leftmost, until no pair has a rank:
/// the BPE of `tokenizers`. Immutable; encode() may run on several threads, each with its own Scratch.
class BytePairModel {
public:
  static constexpr uint32_t NoToken = UINT32_MAX;
  struct Merge {
    uint32_t left, right, product; ///< token ids
  };
  struct Options {
    bool rankByProduct = false; ///< as BytePairSpec's
    bool byteLevel = false;     ///< symbols are bytes, by `bytes`; else characters, by `characters`
    std::array<uint32_t, 256> bytes;
    FlatMap<uint32_t> characters;
    bool byteFallback = false;       ///< a character without a token becomes its bytes' tokens, if all have one
    std::optional<uint32_t> unknown; ///< of a symbol without a token; none: it gives no token
    bool fuseUnknown = false;        ///< one for a run of them
    std::unordered_map<std::string, uint32_t> whole; ///< pieces that are tokens without merges (ignore_merges)
    Options() { bytes.fill(NoToken); }
  };

  /// `merges` in order of rank; a pair that comes again takes its last rank and product.
  BytePairModel(Options options, const std::vector<Merge> &merges);

  /// Work space that grows to the longest piece and is then reused.
  struct Scratch {
    struct Symbol {
      uint32_t token, previous, next;
    };
    struct Candidate {
      uint32_t rank, position, product;
    };
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
    std::string key;
  };

  /// Appends the tokens of `piece` (well-formed UTF-8 but for byteLevel), in O(n log n) of its bytes. At most 2³² − 2
  /// bytes.
  void encode(std::string_view piece, Scratch &scratch, std::vector<uint32_t> &tokens) const;

private:
  struct Rule {
    uint32_t rank, product;
  };
  void start(std::string_view piece, std::vector<Scratch::Symbol> &symbols) const;
  const Rule *rule(uint32_t left, uint32_t right) const { return rules.find(uint64_t(left) << 32 | right); }
  void propose(Scratch &scratch, uint32_t position) const;

  Options options;
  FlatMap<Rule> rules;
};

} // namespace ft::rt
