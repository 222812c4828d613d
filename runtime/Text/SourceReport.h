// The sources of a token file as JSON, which is how the file keeps them. Private to its reader and writer.
#pragma once

#include "runtime/Text/TokenFile.h"

namespace ft::rt {

/// Empty where there are none.
std::string writeSources(std::span<const SourceStats> sources);
/// BadInput, without the file's name, where it is not what writeSources() writes.
Expected<std::vector<SourceStats>> readSources(std::string_view text);

} // namespace ft::rt
