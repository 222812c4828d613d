// Links a relocatable object into a position-independent blob: code that runs wherever it is mapped, without a loader.
#pragma once

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace ft {

struct Blob {
  std::string bytes;             ///< executable sections, then read-only data; aligned to 64 bytes when mapped by page
  std::vector<uint64_t> entries; ///< offsets of the functions asked for
};

/// `object` is an x86-64 ELF object; `names` are the functions whose offsets are wanted. Fails on writable sections,
/// undefined symbols and relocations that depend on the load address, naming them.
llvm::Expected<Blob> linkBlob(llvm::StringRef object, const std::vector<std::string> &names);

} // namespace ft
