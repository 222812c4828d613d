// Byte-pair encoding of one piece of text (Sennrich et al. 2016, over bytes as in GPT-2).
#pragma once

#include "runtime/Support/Status.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace ft::rt {

/// Merges adjacent symbols, always the pair of lowest rank and among equals the leftmost, until no pair has a rank.
/// Immutable after create(); encode() may run on several threads, each with its own Scratch.
class BytePairEncoder {
public:
  struct Merge {
    uint32_t left, right, product; ///< token ids
  };
  static constexpr uint32_t NoToken = UINT32_MAX;

  /// `byteTokens[b]` is the token of byte b, NoToken where the vocabulary has none: such bytes give no token, as in
  /// Hugging Face's BPE without an unknown token. `merges` in order of rank; a pair that comes again takes its last
  /// rank and product.
  BytePairEncoder(std::array<uint32_t, 256> byteTokens, const std::vector<Merge> &merges);

  /// Work space that grows to the longest piece and is then reused.
  struct Scratch {
    struct Symbol {
      uint32_t token, previous, next;
    };
    struct Candidate {
      uint32_t rank, position, left, right;
    };
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
  };

  /// Appends the tokens of `piece`, in O(n log n) of its bytes. At most 2³² − 2 bytes.
  void encode(std::string_view piece, Scratch &scratch, std::vector<uint32_t> &tokens) const;

private:
  struct Rule {
    uint32_t rank, product;
  };
  const Rule *rule(uint32_t left, uint32_t right) const;
  void propose(Scratch &scratch, uint32_t position) const;

  std::array<uint32_t, 256> byteTokens;
  std::unordered_map<uint64_t, Rule> rules;
};

} // namespace ft::rt
