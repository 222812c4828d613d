// What gzip and Zstandard packed.
#pragma once

#include "runtime/Support/Status.h"

#include <cstdint>
#include <functional>
#include <string_view>

namespace ft::rt {

/// Takes unpacked text, a stretch at a time, and how much of what is packed has been read.
using UnpackSink = std::function<Status(std::string_view text, size_t packedRead)>;

/// All members (gzip) or frames (Zstandard) of `packed`, one behind the other. BadInput, without the file's name, where
/// they are damaged or cut off, or unpack to more than `limit` bytes; what `sink` returns where that fails.
Status unpackGzip(std::string_view packed, uint64_t limit, const UnpackSink &sink);
Status unpackZstandard(std::string_view packed, uint64_t limit, const UnpackSink &sink);

} // namespace ft::rt
