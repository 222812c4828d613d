// The pieces of a SentencePiece model.
#pragma once

#include "runtime/Support/Status.h"
#include "runtime/Tokenizer/ByteTrie.h"

#include <array>
#include <string>
#include <unordered_map>
#include <vector>

namespace ft::rt {

/// SentencePiece's and ggml's types of pieces, with their numbers.
enum class PieceType : uint8_t { Normal = 1, Unknown = 2, Control = 3, UserDefined = 4, Unused = 5, Byte = 6 };

/// No piece of a vocabulary that was made from text comes near it; it bounds the work for each byte of a text.
constexpr size_t MaxPieceBytes = 1024;

/// What both of SentencePiece's models look up. Immutable after create().
class PieceVocabulary {
public:
  /// Refuses what the library refuses: equal pieces, an empty one, no or several unknown ones, and, where bytes are the
  /// fallback, a byte without a piece; and a piece above MaxPieceBytes.
  static Expected<PieceVocabulary> create(std::vector<std::string> pieces, std::vector<PieceType> types,
                                          std::vector<float> scores, bool byteFallback);

  static constexpr uint32_t None = UINT32_MAX;
  /// Of pieces that text can become: normal, user-defined and unused ones.
  uint32_t find(std::string_view piece) const;
  /// Of all pieces; the unknown piece's where there is none.
  uint32_t idOf(std::string_view piece) const;
  PieceType type(uint32_t id) const { return types[id]; }
  float score(uint32_t id) const { return scores[id]; }
  /// User-defined pieces, which text is cut at before anything else.
  const ByteTrie &userDefined() const { return fixed; }
  uint32_t unknown() const { return unknownId; }
  size_t size() const { return pieces.size(); }
  const std::string &piece(uint32_t id) const { return pieces[id]; }

  /// Appends what stands for a piece: its id; of an unknown one its bytes, or one unknown id for a run of them.
  /// `behindUnknown` is carried from piece to piece of a text and starts out false.
  void append(std::string_view piece, uint32_t id, bool &behindUnknown, std::vector<uint32_t> &ids) const;

  PieceVocabulary(PieceVocabulary &&) = default;
  PieceVocabulary &operator=(PieceVocabulary &&) = default;
  PieceVocabulary(const PieceVocabulary &) = delete;
  PieceVocabulary &operator=(const PieceVocabulary &) = delete;

private:
  PieceVocabulary() = default;

  std::vector<std::string> pieces;
  std::vector<PieceType> types;
  std::vector<float> scores;
  std::unordered_map<std::string_view, uint32_t> plain, reserved; ///< views of `pieces`, whose buffers stay
  std::array<uint32_t, 256> bytes{};
  ByteTrie fixed;
  uint32_t unknownId = 0;
  bool byteFallback = false;
};

} // namespace ft::rt
