// SentencePiece's byte-pair encoding, whose merges are pieces with scores.
#pragma once

#include "runtime/Tokenizer/PieceVocabulary.h"

namespace ft::rt {

/// Joins adjacent symbols whose join is a piece, always the one of highest score and among equals the leftmost: the
/// BPE of SentencePiece, and of ggml's tokenizer kind "llama". Immutable; encode() may run on several threads.
class PieceBpeModel {
public:
  explicit PieceBpeModel(PieceVocabulary vocabulary) : vocabulary(std::move(vocabulary)) {}

  struct Scratch {
    struct Symbol {
      std::string_view text; ///< empty: taken by the symbol in front of it
      uint32_t previous, next;
      bool fixed;
    };
    struct Candidate {
      float score;
      uint32_t left, right;
      size_t bytes; ///< of both, when they were offered
    };
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
    std::unordered_map<std::string_view, size_t> halves; ///< unused pieces that were made: bytes of their left half
  };

  /// Appends the tokens of normalised text, in O(n log n) of its bytes.
  void encode(std::string_view text, Scratch &scratch, std::vector<uint32_t> &ids) const;

  const PieceVocabulary &pieces() const { return vocabulary; }

private:
  void propose(Scratch &scratch, uint32_t left, uint32_t right) const;
  void append(std::string_view piece, const Scratch &scratch, bool &behindUnknown, std::vector<uint32_t> &ids) const;

  PieceVocabulary vocabulary;
};

} // namespace ft::rt
