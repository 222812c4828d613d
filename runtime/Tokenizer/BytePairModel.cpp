#include "runtime/Tokenizer/BytePairModel.h"

#include "runtime/Tokenizer/Utf8.h"

#include <algorithm>

namespace ft::rt {

namespace {
constexpr uint32_t End = UINT32_MAX;

/// The heap's order: std::*_heap keeps the greatest in front, so "less" means "merged later".
constexpr auto mergedLater = [](const auto &a, const auto &b) {
  return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
};
} // namespace

BytePairModel::BytePairModel(Options given, const std::vector<Merge> &merges)
    : options(std::move(given)), rules(merges.size()) {
  for (size_t i = 0; i < merges.size(); ++i)
    rules[uint64_t(merges[i].left) << 32 | merges[i].right] = {options.rankByProduct ? merges[i].product : uint32_t(i),
                                                               merges[i].product};
}

/// The symbols of a piece before any merge.
void BytePairModel::start(std::string_view piece, std::vector<Scratch::Symbol> &symbols) const {
  auto push = [&](uint32_t token) {
    symbols.push_back({token, uint32_t(symbols.size()) - 1, uint32_t(symbols.size()) + 1});
  };
  // An unknown symbol waits for the next known one, so that a run of them can become one token. Bytes that stand for a
  // character do not end the run, as in `tokenizers`.
  bool waiting = false;
  for (size_t at = 0; at < piece.size();) {
    const size_t begin = at;
    uint32_t token = NoToken;
    if (options.byteLevel) {
      token = options.bytes[uint8_t(piece[at++])];
    } else {
      bool wellFormed;
      if (const uint32_t *found = options.characters.find(decodeUtf8(piece, at, wellFormed)))
        token = *found;
    }
    if (token != NoToken) {
      if (waiting)
        push(*options.unknown);
      waiting = false;
      push(token);
      continue;
    }
    const std::string_view character = piece.substr(begin, at - begin);
    if (options.byteFallback && std::all_of(character.begin(), character.end(),
                                            [&](char byte) { return options.bytes[uint8_t(byte)] != NoToken; })) {
      for (char byte : character)
        push(options.bytes[uint8_t(byte)]);
    } else if (options.unknown) {
      if (waiting && !options.fuseUnknown)
        push(*options.unknown);
      waiting = true;
    }
  }
  if (waiting)
    push(*options.unknown);
  if (!symbols.empty())
    symbols.front().previous = symbols.back().next = End;
}

/// Offers the pair that starts at `position`, if it has a rank.
void BytePairModel::propose(Scratch &scratch, uint32_t position) const {
  const Scratch::Symbol &left = scratch.symbols[position];
  if (left.next == End)
    return;
  if (const Rule *found = rule(left.token, scratch.symbols[left.next].token)) {
    scratch.heap.push_back({found->rank, position, found->product});
    std::push_heap(scratch.heap.begin(), scratch.heap.end(), mergedLater);
  }
}

void BytePairModel::encode(std::string_view piece, Scratch &scratch, std::vector<uint32_t> &tokens) const {
  if (!options.whole.empty()) {
    scratch.key = piece;
    if (auto whole = options.whole.find(scratch.key); whole != options.whole.end()) {
      tokens.push_back(whole->second);
      return;
    }
  }
  auto &symbols = scratch.symbols;
  symbols.clear();
  scratch.heap.clear();
  start(piece, symbols);
  if (symbols.empty())
    return;
  for (uint32_t position = 0; position + 1 < symbols.size(); ++position)
    propose(scratch, position);

  while (!scratch.heap.empty()) {
    std::pop_heap(scratch.heap.begin(), scratch.heap.end(), mergedLater);
    const Scratch::Candidate best = scratch.heap.back();
    scratch.heap.pop_back();
    auto &left = symbols[best.position];
    // A merge elsewhere may have taken either half since the pair was offered. `tokenizers` asks for the product, not
    // for the pair: another pair with the same product is merged in the old one's turn.
    if (left.token == NoToken || left.next == End)
      continue;
    auto &right = symbols[left.next];
    const Rule *now = rule(left.token, right.token);
    if (!now || now->product != best.product)
      continue;
    left.token = now->product;
    right.token = NoToken;
    left.next = right.next;
    if (left.next != End)
      symbols[left.next].previous = best.position;
    if (left.previous != End)
      propose(scratch, left.previous);
    propose(scratch, best.position);
  }
  for (uint32_t position = 0; position != End; position = symbols[position].next)
    tokens.push_back(symbols[position].token);
}

} // namespace ft::rt
