// Sizes of memory as people write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace ft {

/// "24000000000", "24GB" (10^9), "18.5 GiB" (2^30); MB, MiB, TB and TiB as well. Empty for what is none of these, or is
/// not in [1, 2^63).
std::optional<uint64_t> parseByteSize(std::string_view text);

} // namespace ft
