#include "runtime/Tokenizer/UnigramModel.h"

#include <cfloat>

namespace ft::rt {

UnigramModel::UnigramModel(PieceVocabulary given) : vocabulary(std::move(given)) {
  constexpr float unknownPenalty = 10;
  float lowest = FLT_MAX;
  highest = FLT_MIN;
  for (uint32_t id = 0; id < vocabulary.size(); ++id) {
    const PieceType type = vocabulary.type(id);
    if (type == PieceType::Normal) {
      lowest = std::min(lowest, vocabulary.score(id));
      highest = std::max(highest, vocabulary.score(id));
    }
    if (type == PieceType::Normal || type == PieceType::UserDefined)
      trie.insert(vocabulary.piece(id), id);
  }
  unknownScore = lowest - unknownPenalty;
}

void UnigramModel::encode(std::string_view text, Scratch &scratch, std::vector<uint32_t> &ids) const {
  auto score = [this](size_t length, uint32_t id) {
    // A user-defined piece is worth more than anything of its length.
    const bool fixed = vocabulary.type(id) == PieceType::UserDefined;
    return fixed ? double(float(length) * highest) - 0.1 : double(vocabulary.score(id));
  };
  bool behindUnknown = false;
  for (const auto &step : scratch.find(text, trie, vocabulary.unknown(), unknownScore, score))
    vocabulary.append(text.substr(step.begin, step.end - step.begin), step.id, behindUnknown, ids);
}

} // namespace ft::rt
