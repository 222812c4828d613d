// The unigram model of tokenizer.json.
#pragma once

#include "runtime/Tokenizer/BestPath.h"

#include <array>
#include <string>
#include <unordered_map>

namespace ft::rt {

/// As `tokenizers` computes it: sums of doubles, in which every token of the vocabulary counts with its score, and an
/// unknown stretch is one token, or its bytes. Immutable; encode() may run on several threads.
class JsonUnigramModel {
public:
  /// `tokens` are not empty; of equal ones the last counts. `unknown` is the id of one.
  static Expected<JsonUnigramModel> create(const std::vector<std::string> &tokens, std::vector<double> scores,
                                           uint32_t unknown, bool byteFallback);

  using Scratch = BestPath<double>;

  /// Appends the tokens of normalised text, in its bytes times the longest token's.
  void encode(std::string_view text, Scratch &scratch, std::vector<uint32_t> &ids) const;

private:
  JsonUnigramModel(std::vector<double> scores, uint32_t unknown) : scores(std::move(scores)), unknown(unknown) {}
  void appendUnknown(std::string_view stretch, std::vector<uint32_t> &ids) const;

  static constexpr uint32_t NoToken = UINT32_MAX;
  std::unordered_map<std::string, uint32_t> ids;
  std::vector<double> scores;
  PrefixTrie trie;
  std::array<uint32_t, 256> bytes; ///< tokens of bytes where they are the fallback
  uint32_t unknown;
  double unknownScore = 0;
};

} // namespace ft::rt
