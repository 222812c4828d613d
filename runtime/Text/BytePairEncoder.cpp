#include "runtime/Text/BytePairEncoder.h"

#include <algorithm>

namespace ft::rt {

namespace {
constexpr uint32_t End = UINT32_MAX;

constexpr uint64_t pairKey(uint32_t left, uint32_t right) { return uint64_t(left) << 32 | right; }

/// The heap's order: std::*_heap keeps the greatest in front, so "less" means "merged later".
constexpr auto mergedLater = [](const auto &a, const auto &b) {
  return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
};
} // namespace

BytePairEncoder::BytePairEncoder(std::array<uint32_t, 256> tokens, const std::vector<Merge> &merges)
    : byteTokens(tokens) {
  rules.reserve(merges.size());
  for (size_t rank = 0; rank < merges.size(); ++rank)
    rules[pairKey(merges[rank].left, merges[rank].right)] = {uint32_t(rank), merges[rank].product};
}

const BytePairEncoder::Rule *BytePairEncoder::rule(uint32_t left, uint32_t right) const {
  auto it = rules.find(pairKey(left, right));
  return it == rules.end() ? nullptr : &it->second;
}

/// Offers the pair that starts at `position`, if it has a rank.
void BytePairEncoder::propose(Scratch &scratch, uint32_t position) const {
  const Scratch::Symbol &left = scratch.symbols[position];
  if (left.next == End)
    return;
  const uint32_t right = scratch.symbols[left.next].token;
  if (const Rule *found = rule(left.token, right)) {
    scratch.heap.push_back({found->rank, position, left.token, right});
    std::push_heap(scratch.heap.begin(), scratch.heap.end(), mergedLater);
  }
}

void BytePairEncoder::encode(std::string_view piece, Scratch &scratch, std::vector<uint32_t> &tokens) const {
  auto &symbols = scratch.symbols;
  symbols.clear();
  scratch.heap.clear();
  for (char byte : piece)
    if (const uint32_t token = byteTokens[uint8_t(byte)]; token != NoToken)
      symbols.push_back({token, uint32_t(symbols.size()) - 1, uint32_t(symbols.size()) + 1});
  if (symbols.empty())
    return;
  symbols.front().previous = symbols.back().next = End;
  for (uint32_t position = 0; position + 1 < symbols.size(); ++position)
    propose(scratch, position);

  while (!scratch.heap.empty()) {
    std::pop_heap(scratch.heap.begin(), scratch.heap.end(), mergedLater);
    const Scratch::Candidate best = scratch.heap.back();
    scratch.heap.pop_back();
    auto &left = symbols[best.position];
    // A merge elsewhere may have taken either half since the pair was offered.
    if (left.token != best.left || left.next == End || symbols[left.next].token != best.right)
      continue;
    auto &right = symbols[left.next];
    left.token = rule(best.left, best.right)->product;
    right.token = NoToken;
    left.next = right.next;
    if (left.next != End)
      symbols[left.next].previous = best.position;
    propose(scratch, best.position);
    if (left.previous != End)
      propose(scratch, left.previous);
  }
  for (uint32_t position = 0; position != End; position = symbols[position].next)
    tokens.push_back(symbols[position].token);
}

} // namespace ft::rt
