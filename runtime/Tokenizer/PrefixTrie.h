// A set of byte strings with values that does not change, searched by prefix.
#pragma once

#include "runtime/Support/Status.h"

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace ft::rt {

/// Finds which of its strings a text starts with, in one memory access a byte: a double array (Aoe 1989; Yata's
/// darts-clone has it with XOR). The children of a node lie at its base XOR their byte, and no two nodes have one base,
/// so that a child's byte alone tells whose it is.
class PrefixTrie {
public:
  using Entry = std::pair<std::string_view, uint32_t>;

  PrefixTrie() = default; ///< of no keys
  /// Keys are not empty, values below 2^28 - 1. Of equal keys the last counts. BadInput where they need more than 2^27
  /// units: below some 100 MB of keys they do not, unless made for that.
  static Expected<PrefixTrie> of(std::vector<Entry> entries);

  /// Calls `found(length, value)` for each key that `text` starts with, the shortest first.
  template <typename Found> void forEachPrefix(std::string_view text, Found found) const {
    uint64_t unit = units[0];
    for (size_t at = 0; at < text.size(); ++at) {
      const uint64_t base = baseOf(unit);
      if (base == 0)
        return;
      const auto byte = uint8_t(text[at]);
      unit = units[base ^ byte];
      if ((unit & ChildMask) != (Taken | byte))
        return;
      if (const uint64_t value = unit >> ValueShift)
        found(at + 1, uint32_t(value - 1));
    }
  }

private:
  // A unit: bits 0-7 the byte that leads to the node, 8 whether it is taken, 9-35 base, which is 0 where there are no
  // children, 36-63 value + 1.
  static constexpr uint64_t Taken = 1u << 8, ChildMask = 0x1FF, BaseShift = 9, BaseMask = (1u << 27) - 1,
                            ValueShift = 36;
  static uint64_t baseOf(uint64_t unit) { return unit >> BaseShift & BaseMask; }

  class Builder;
  std::vector<uint64_t> units = {Taken};
};

} // namespace ft::rt
