// SentencePiece's precompiled character map.
#pragma once

#include "runtime/Support/Status.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ft::rt {

/// Rules "this sequence of characters becomes that", as a double array (darts-clone) and a pool of C strings: a
/// little-endian u32 with the array's bytes, the array, the pool. Nothing outside the two is read, whatever the array
/// says.
class CharsMap {
public:
  /// `blob` empty: no rules. BadInput where its sizes do not fit together.
  static Expected<CharsMap> read(std::string_view blob);

  struct Rule {
    size_t length; ///< bytes of the text that it replaces
    std::string_view by;
  };
  /// The longest rule that `text` starts with.
  std::optional<Rule> longest(std::string_view text) const;
  std::optional<Rule> shortest(std::string_view text) const;
  bool empty() const { return units.empty(); }

private:
  template <typename Found> void forEachPrefix(std::string_view text, Found found) const;

  std::vector<uint32_t> units;
  std::string pool;
};

} // namespace ft::rt
