// SentencePiece's unigram language model.
#pragma once

#include "runtime/Tokenizer/BestPath.h"
#include "runtime/Tokenizer/PieceVocabulary.h"

namespace ft::rt {

/// The most likely sequence of pieces, in the library's own arithmetic: sums of floats. Immutable; encode() may run on
/// several threads.
class UnigramModel {
public:
  static Expected<UnigramModel> create(PieceVocabulary vocabulary);

  using Scratch = BestPath<float>;

  /// Appends the tokens of normalised text, in its bytes times the longest piece's.
  void encode(std::string_view text, Scratch &scratch, std::vector<uint32_t> &ids) const;

  const PieceVocabulary &pieces() const { return vocabulary; }

private:
  explicit UnigramModel(PieceVocabulary vocabulary) : vocabulary(std::move(vocabulary)) {}

  PieceVocabulary vocabulary;
  PrefixTrie trie;
  std::vector<float> scores; ///< by id
  float unknownScore = 0;
};

} // namespace ft::rt
