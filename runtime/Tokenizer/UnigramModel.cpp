#include "runtime/Tokenizer/UnigramModel.h"

#include <cfloat>

namespace ft::rt {

Expected<UnigramModel> UnigramModel::create(PieceVocabulary given) {
  UnigramModel made(std::move(given));
  const PieceVocabulary &vocabulary = made.vocabulary;
  constexpr float unknownPenalty = 10;
  float lowest = FLT_MAX;
  std::vector<PrefixTrie::Entry> entries;
  for (uint32_t id = 0; id < vocabulary.size(); ++id) {
    const PieceType type = vocabulary.type(id);
    if (type == PieceType::Normal)
      lowest = std::min(lowest, vocabulary.score(id));
    if (type == PieceType::Normal || type == PieceType::UserDefined)
      entries.emplace_back(vocabulary.piece(id), id);
    // A user-defined piece gains by its bytes, whatever its own score is (SentencePiece 0.2.3; up to 0.2.1 it was
    // -0.1).
    made.scores.push_back(type == PieceType::UserDefined ? 0.1f * float(vocabulary.piece(id).size()) - 0.1f
                                                         : vocabulary.score(id));
  }
  FT_ASSIGN_OR_RETURN(made.trie, PrefixTrie::of(std::move(entries)));
  made.unknownScore = lowest - unknownPenalty;
  return made;
}

void UnigramModel::encode(std::string_view text, Scratch &scratch, std::vector<uint32_t> &ids) const {
  auto score = [this](size_t, uint32_t id) { return scores[id]; };
  bool behindUnknown = false;
  for (const auto &step : scratch.find(text, trie, vocabulary.unknown(), unknownScore, score))
    vocabulary.append(text.substr(step.begin, step.end - step.begin), step.id, behindUnknown, ids);
}

} // namespace ft::rt
