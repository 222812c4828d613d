// What gzip and Zstandard packed.
#pragma once

#include "runtime/Support/Status.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace ft::rt {

/// All members (gzip) or frames (Zstandard) of `packed`, one behind the other. BadInput, without the file's name, where
/// they are damaged or cut off, or unpack to more than `limit` bytes.
Expected<std::string> unpackGzip(std::string_view packed, uint64_t limit);
Expected<std::string> unpackZstandard(std::string_view packed, uint64_t limit);

} // namespace ft::rt
