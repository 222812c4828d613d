// SentencePiece's unigram language model (Kudo 2018).
#pragma once

#include "runtime/Tokenizer/PieceVocabulary.h"

namespace ft::rt {

/// The most likely sequence of pieces, in the library's own arithmetic: sums in double of scores that are kept as
/// float, the earlier path among equals. Immutable; encode() may run on several threads.
class UnigramModel {
public:
  explicit UnigramModel(PieceVocabulary vocabulary);

  struct Scratch {
    struct Node {
      uint32_t id, begin;
      float score;
    };
    std::vector<Node> best; ///< by the byte that the path ends in front of
    std::vector<uint32_t> ends;
  };

  /// Appends the tokens of normalised text, in its bytes times the longest piece's.
  void encode(std::string_view text, Scratch &scratch, std::vector<uint32_t> &ids) const;

  const PieceVocabulary &pieces() const { return vocabulary; }

private:
  PieceVocabulary vocabulary;
  ByteTrie trie;
  float unknownScore, highest;
};

} // namespace ft::rt
