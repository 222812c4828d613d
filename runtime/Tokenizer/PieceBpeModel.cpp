#include "runtime/Tokenizer/PieceBpeModel.h"

#include "runtime/Tokenizer/Utf8.h"

#include <algorithm>

namespace ft::rt {

namespace {
constexpr uint32_t End = UINT32_MAX;

/// The heap's order: std::*_heap keeps the greatest in front, so "less" means "joined later".
constexpr auto joinedLater = [](const auto &a, const auto &b) {
  return a.score != b.score ? a.score < b.score : a.left > b.left;
};
} // namespace

/// Offers two neighbours, if their join is a piece.
void PieceBpeModel::propose(Scratch &scratch, uint32_t left, uint32_t right) const {
  if (left == End || right == End || scratch.symbols[left].fixed || scratch.symbols[right].fixed)
    return;
  const std::string_view first = scratch.symbols[left].text;
  const std::string_view joined(first.data(), first.size() + scratch.symbols[right].text.size());
  const uint32_t id = vocabulary.find(joined);
  if (id == PieceVocabulary::None)
    return;
  scratch.heap.push_back({vocabulary.score(id), left, right, joined.size()});
  std::push_heap(scratch.heap.begin(), scratch.heap.end(), joinedLater);
  if (vocabulary.type(id) == PieceType::Unused)
    scratch.halves[joined] = first.size();
}

/// An unused piece is a step on the way to others: alone it is cut again where it was joined last.
void PieceBpeModel::append(std::string_view piece, const Scratch &scratch, bool &behindUnknown,
                           std::vector<uint32_t> &ids) const {
  std::vector<std::string_view> waiting{piece};
  while (!waiting.empty()) {
    const std::string_view text = waiting.back();
    waiting.pop_back();
    const uint32_t id = vocabulary.idOf(text);
    const auto half = scratch.halves.empty() || vocabulary.type(id) != PieceType::Unused ? scratch.halves.end()
                                                                                         : scratch.halves.find(text);
    if (half == scratch.halves.end()) {
      vocabulary.append(text, id, behindUnknown, ids);
    } else {
      waiting.push_back(text.substr(half->second));
      waiting.push_back(text.substr(0, half->second));
    }
  }
}

void PieceBpeModel::encode(std::string_view text, Scratch &scratch, std::vector<uint32_t> &ids) const {
  auto &symbols = scratch.symbols;
  symbols.clear();
  scratch.heap.clear();
  scratch.halves.clear();
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at, length = vocabulary.userDefined().longest(text.substr(at)).length;
    bool wellFormed;
    if (length > 0)
      at += length;
    else
      decodeUtf8(text, at, wellFormed);
    symbols.push_back(
        {text.substr(begin, at - begin), uint32_t(symbols.size()) - 1, uint32_t(symbols.size()) + 1, length > 0});
  }
  if (symbols.empty())
    return;
  symbols.front().previous = symbols.back().next = End;
  for (uint32_t right = 1; right < symbols.size(); ++right)
    propose(scratch, right - 1, right);

  while (!scratch.heap.empty()) {
    std::pop_heap(scratch.heap.begin(), scratch.heap.end(), joinedLater);
    const Scratch::Candidate best = scratch.heap.back();
    scratch.heap.pop_back();
    auto &left = symbols[best.left], &right = symbols[best.right];
    // A join elsewhere may have taken or lengthened either half since the pair was offered.
    if (left.text.empty() || right.text.empty() || left.text.size() + right.text.size() != best.bytes)
      continue;
    left.text = std::string_view(left.text.data(), best.bytes);
    right.text = {};
    left.next = right.next;
    if (left.next != End)
      symbols[left.next].previous = best.left;
    propose(scratch, left.previous, best.left);
    propose(scratch, best.left, left.next);
  }
  bool behindUnknown = false;
  for (uint32_t position = 0; position != End; position = symbols[position].next)
    append(symbols[position].text, scratch, behindUnknown, ids);
}

} // namespace ft::rt
