// The likeliest way to write a text with scored pieces, which both unigram models look for (Kudo 2018).
#pragma once

#include "runtime/Tokenizer/PrefixTrie.h"
#include "runtime/Tokenizer/Utf8.h"

#include <algorithm>
#include <vector>

namespace ft::rt {

/// Viterbi's algorithm with sums of type `Sum`, in which the libraries' own rounding lies; among equal sums the earlier
/// path. `score(length, id)` is a piece's; a character that is no piece is `unknown`, at `unknownScore`.
template <typename Sum> class BestPath {
public:
  struct Step {
    uint32_t id, begin, end; ///< of the text's bytes
  };

  /// The steps from front to back, valid until the next call.
  template <typename Score>
  const std::vector<Step> &find(std::string_view text, const PrefixTrie &pieces, uint32_t unknown, Sum unknownScore,
                                Score score) {
    best.assign(text.size() + 1, {0, NoPath, 0});
    for (size_t at = 0; at < text.size();) {
      const Sum until = best[at].score;
      size_t next = at;
      bool wellFormed, single = false;
      decodeUtf8(text, next, wellFormed);
      auto offer = [&](size_t end, uint32_t id, Sum value) {
        Node &node = best[end];
        const Sum sum = value + until;
        if (node.begin == NoPath || sum > node.score)
          node = {id, uint32_t(at), sum};
      };
      pieces.forEachPrefix(text.substr(at), [&](size_t length, uint32_t id) {
        offer(at + length, id, score(length, id));
        single |= length == next - at;
      });
      if (!single)
        offer(next, unknown, unknownScore);
      at = next;
    }
    steps.clear();
    for (size_t end = text.size(); end > 0; end = best[end].begin)
      steps.push_back({best[end].id, best[end].begin, uint32_t(end)});
    std::reverse(steps.begin(), steps.end());
    return steps;
  }

private:
  static constexpr uint32_t NoPath = UINT32_MAX;
  struct Node {
    uint32_t id, begin;
    Sum score;
  };
  std::vector<Node> best; ///< by the byte that the path ends in front of
  std::vector<Step> steps;
};

} // namespace ft::rt
