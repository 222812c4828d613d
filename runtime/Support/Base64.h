// Bytes inside of JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ft::rt {

/// What a text in base 64 (RFC 4648, padded) stands for; nothing where it is none.
std::optional<std::string> base64Bytes(std::string_view text);

} // namespace ft::rt
