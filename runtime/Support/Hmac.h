// HMAC-SHA256 (RFC 2104): that a message comes from somebody who knows a secret.
#pragma once

#include "runtime/Support/Sha256.h"

namespace ft::rt {

/// The code of the concatenation of `parts` under `key`, which may have any length.
Sha256Digest hmacSha256(std::string_view key, std::initializer_list<std::string_view> parts);

/// Whether both are the same, in a time that does not tell where they differ.
bool sameDigest(std::string_view a, std::string_view b);

} // namespace ft::rt
