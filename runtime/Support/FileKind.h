// What a file is that is not what it should be, or not where it should be.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace ft::rt {

/// What `bytes`, a file or its start, is known to be (a pointer of a large-file store, an archive, a web page, text in
/// another encoding), with the way out; empty where it is nothing of the kind.
std::string foreignKind(std::span<const std::byte> bytes);

/// Whether something has this name. A link that leads nowhere, and what a folder does not let be seen, are no files
/// that are absent: whoever opens one gets the reason.
bool isNamed(const std::string &path);

/// Where a link leads that leads nowhere; empty of anything else.
std::string lostTarget(const std::string &path);

} // namespace ft::rt
