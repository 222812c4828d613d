#include "runtime/Tokenizer/UnigramModel.h"

#include "runtime/Tokenizer/Utf8.h"

#include <algorithm>
#include <cfloat>

namespace ft::rt {

namespace {
constexpr uint32_t NoPath = UINT32_MAX;
constexpr float UnknownPenalty = 10;
} // namespace

UnigramModel::UnigramModel(PieceVocabulary given) : vocabulary(std::move(given)) {
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
  unknownScore = lowest - UnknownPenalty;
}

void UnigramModel::encode(std::string_view text, Scratch &scratch, std::vector<uint32_t> &ids) const {
  auto &best = scratch.best;
  best.assign(text.size() + 1, {0, NoPath, 0});
  for (size_t at = 0; at < text.size();) {
    const float until = best[at].score;
    size_t next = at;
    bool wellFormed, single = false;
    decodeUtf8(text, next, wellFormed);
    auto offer = [&](size_t end, uint32_t id, float score) {
      Scratch::Node &node = best[end];
      const float sum = score + until;
      if (node.begin == NoPath || sum > node.score)
        node = {id, uint32_t(at), sum};
    };
    trie.forEachPrefix(text.substr(at), [&](size_t length, uint32_t id) {
      // A user-defined piece is worth more than anything of its length.
      const bool fixed = vocabulary.type(id) == PieceType::UserDefined;
      offer(at + length, id, fixed ? float(double(float(length) * highest) - 0.1) : vocabulary.score(id));
      single |= length == next - at;
    });
    if (!single)
      offer(next, vocabulary.unknown(), unknownScore);
    at = next;
  }
  scratch.ends.clear();
  for (size_t end = text.size(); end > 0; end = best[end].begin)
    scratch.ends.push_back(uint32_t(end));
  bool behindUnknown = false;
  for (size_t i = scratch.ends.size(); i-- > 0;) {
    const Scratch::Node &node = best[scratch.ends[i]];
    vocabulary.append(text.substr(node.begin, scratch.ends[i] - node.begin), node.id, behindUnknown, ids);
  }
}

} // namespace ft::rt
