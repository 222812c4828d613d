// The name of random data: "synthetic:SEED", or "synthetic:SEED:MASKED" where a part of each document has no target.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ft::rt {

struct SyntheticSource {
  static constexpr std::string_view prefix = "synthetic:";
  static constexpr std::string_view form = "synthetic:SEED with an integer in [0, 2^64), or synthetic:SEED:PERCENT or "
                                           "synthetic:SEED:FROM-TO with percents of "
                                           "a document that are masked, in [0, 99]";

  uint64_t seed = 0;
  uint32_t maskedFrom = 0, maskedTo = 0; ///< percent of each document in front, drawn for each between both

  /// "synthetic:7", "synthetic:7:50", "synthetic:7:20-80".
  std::string text() const;
  /// Nothing where the text behind the prefix is not of this form.
  static std::optional<SyntheticSource> parse(std::string_view source);
};

} // namespace ft::rt
