#include "runtime/Tokenizer/UnigramModel.h"

#include <cfloat>

namespace ft::rt {

UnigramModel::UnigramModel(PieceVocabulary given) : vocabulary(std::move(given)) {
  constexpr float unknownPenalty = 10;
  float lowest = FLT_MAX;
  for (uint32_t id = 0; id < vocabulary.size(); ++id) {
    const PieceType type = vocabulary.type(id);
    if (type == PieceType::Normal)
      lowest = std::min(lowest, vocabulary.score(id));
    if (type == PieceType::Normal || type == PieceType::UserDefined)
      trie.insert(vocabulary.piece(id), id);
  }
  unknownScore = lowest - unknownPenalty;
}

void UnigramModel::encode(std::string_view text, Scratch &scratch, std::vector<uint32_t> &ids) const {
  // A user-defined piece costs nothing, whatever its own score is.
  auto score = [this](size_t, uint32_t id) {
    return vocabulary.type(id) == PieceType::UserDefined ? 0 : vocabulary.score(id);
  };
  bool behindUnknown = false;
  for (const auto &step : scratch.find(text, trie, vocabulary.unknown(), unknownScore, score))
    vocabulary.append(text.substr(step.begin, step.end - step.begin), step.id, behindUnknown, ids);
}

} // namespace ft::rt
