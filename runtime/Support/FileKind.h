// What a file is that is not what it should be.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace ft::rt {

/// What `bytes`, a file or its start, is known to be (a pointer of a large-file store, an archive, a web page, text in
/// another encoding), with the way out; empty where it is nothing of the kind.
std::string foreignKind(std::span<const std::byte> bytes);

} // namespace ft::rt
