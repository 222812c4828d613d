// A set of byte strings with values, searched by prefix.
#pragma once

#include "runtime/Tokenizer/FlatMap.h"

#include <array>
#include <string_view>

namespace ft::rt {

/// Finds which of its strings a text starts with, in one step a byte.
class ByteTrie {
public:
  static constexpr uint32_t NoValue = UINT32_MAX;
  struct Match {
    size_t length = 0; ///< 0: none
    uint32_t value = NoValue;
  };

  /// `key` is not empty, `value` not NoValue. Of two equal keys the later one counts.
  void insert(std::string_view key, uint32_t value) {
    uint32_t node = 0;
    for (char byte : key) {
      uint32_t &child = edges[uint64_t(node) << 8 | uint8_t(byte)];
      if (child == 0) {
        child = uint32_t(values.size());
        values.push_back(NoValue);
      }
      node = child;
    }
    values[node] = value;
    first[uint8_t(key[0])] = true;
  }
  bool empty() const { return values.size() == 1; }

  /// Calls `found(length, value)` for each key that `text` starts with, the shortest first.
  template <typename Found> void forEachPrefix(std::string_view text, Found found) const {
    if (text.empty() || !first[uint8_t(text[0])])
      return;
    uint32_t node = 0;
    for (size_t at = 0; at < text.size(); ++at) {
      const uint32_t *child = edges.find(uint64_t(node) << 8 | uint8_t(text[at]));
      if (!child)
        return;
      node = *child;
      if (values[node] != NoValue)
        found(at + 1, values[node]);
    }
  }
  Match longest(std::string_view text) const {
    Match best;
    forEachPrefix(text, [&](size_t length, uint32_t value) { best = {length, value}; });
    return best;
  }

private:
  FlatMap<uint32_t> edges;
  std::vector<uint32_t> values{NoValue}; ///< by node; the root is 0
  std::array<bool, 256> first{};
};

} // namespace ft::rt
