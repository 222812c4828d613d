#include "runtime/Tokenizer/PrefixTrie.h"

#include <algorithm>

namespace ft::rt {

/// Puts nodes into the array one after another, depth first.
class PrefixTrie::Builder {
public:
  explicit Builder(std::vector<Entry> given) : entries(std::move(given)) {
    std::stable_sort(entries.begin(), entries.end(), [](const Entry &a, const Entry &b) { return a.first < b.first; });
    size_t kept = 0;
    for (const Entry &entry : entries) {
      if (kept > 0 && entries[kept - 1].first == entry.first)
        --kept;
      entries[kept++] = entry;
    }
    entries.resize(kept);
  }

  Expected<std::vector<uint64_t>> build() {
    addBlock();
    take(0);
    baseTaken[0] = true; // means no children
    units[0] = Taken;
    std::vector<Node> open{{0, entries.size(), 0, 0}};
    while (!open.empty()) {
      const Node node = open.back();
      open.pop_back();
      if (units.size() > BaseMask - Block)
        return badInput("the vocabulary's tokens are too long together for a search by prefix: more than 2^27 letters");
      place(node, open);
    }
    return std::move(units);
  }

private:
  /// The keys that start with the same `depth` bytes, and the slot of the node that they share.
  struct Node {
    size_t begin, end, depth, slot;
  };
  static constexpr size_t Block = 256;     ///< slots that differ in a byte alone
  static constexpr size_t OpenBlocks = 16; ///< at the end of the array: what is free further in front stays free
  static constexpr size_t MaxTries = 256;

  uint8_t byteAt(size_t entry, size_t depth) const { return uint8_t(entries[entry].first[depth]); }

  void place(Node node, std::vector<Node> &open) {
    if (node.depth > 0 && entries[node.begin].first.size() == node.depth)
      units[node.slot] |= uint64_t(entries[node.begin++].second + 1) << ValueShift;
    if (node.begin == node.end)
      return;
    labels.clear();
    for (size_t i = node.begin; i < node.end; ++i)
      if (labels.empty() || labels.back() != byteAt(i, node.depth))
        labels.push_back(byteAt(i, node.depth));
    const size_t base = findBase();
    baseTaken[base] = true;
    units[node.slot] |= uint64_t(base) << BaseShift;
    for (size_t begin = node.begin; begin < node.end;) {
      const uint8_t label = byteAt(begin, node.depth);
      size_t end = begin + 1;
      while (end < node.end && byteAt(end, node.depth) == label)
        ++end;
      const size_t slot = base ^ label;
      take(slot);
      units[slot] = Taken | label;
      open.push_back({begin, end, node.depth + 1, slot});
      begin = end;
    }
  }

  size_t findBase() {
    size_t tries = 0;
    for (size_t slot = next[0]; slot != 0 && tries < MaxTries; slot = next[slot], ++tries) {
      const size_t base = slot ^ labels[0];
      if (!baseTaken[base] &&
          std::all_of(labels.begin(), labels.end(), [&](uint8_t label) { return units[base ^ label] == 0; }))
        return base;
    }
    const size_t base = units.size();
    addBlock();
    return base;
  }

  /// Free slots are a ring through slot 0, the first ones first.
  void addBlock() {
    const size_t begin = units.size();
    units.resize(begin + Block);
    baseTaken.resize(begin + Block);
    next.resize(begin + Block);
    previous.resize(begin + Block);
    for (size_t slot = std::max<size_t>(begin, 1); slot < begin + Block; ++slot) {
      next[slot] = 0;
      previous[slot] = previous[0];
      next[previous[0]] = uint32_t(slot);
      previous[0] = uint32_t(slot);
    }
    if (begin >= OpenBlocks * Block)
      while (next[0] != 0 && next[0] < begin - OpenBlocks * Block + Block)
        take(next[0]);
  }

  void take(size_t slot) {
    if (slot == 0)
      return;
    next[previous[slot]] = next[slot];
    previous[next[slot]] = previous[slot];
  }

  std::vector<Entry> entries;
  std::vector<uint64_t> units;
  std::vector<bool> baseTaken;
  std::vector<uint32_t> next, previous;
  std::vector<uint8_t> labels;
};

Expected<PrefixTrie> PrefixTrie::of(std::vector<Entry> entries) {
  PrefixTrie made;
  FT_ASSIGN_OR_RETURN(made.units, Builder(std::move(entries)).build());
  return made;
}

} // namespace ft::rt
