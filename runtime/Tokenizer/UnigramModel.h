// SentencePiece's unigram language model.
#pragma once

#include "runtime/Tokenizer/BestPath.h"
#include "runtime/Tokenizer/PieceVocabulary.h"

namespace ft::rt {

/// The most likely sequence of pieces, in the library's own arithmetic: sums of floats. Immutable; encode() may run on
/// several threads.
class UnigramModel {
public:
  explicit UnigramModel(PieceVocabulary vocabulary);

  using Scratch = BestPath<float>;

  /// Appends the tokens of normalised text, in its bytes times the longest piece's.
  void encode(std::string_view text, Scratch &scratch, std::vector<uint32_t> &ids) const;

  const PieceVocabulary &pieces() const { return vocabulary; }

private:
  PieceVocabulary vocabulary;
  ByteTrie trie;
  float unknownScore;
};

} // namespace ft::rt
