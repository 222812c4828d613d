// A token file, given the checksum that its content has: what opens has rows that can be read.
#include "runtime/Text/TokenFile.h"

#include <cstdlib>

using namespace ft;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const auto *bytes = reinterpret_cast<const std::byte *>(data);
  const auto file = rt::TokenFile::fromImage(rt::TokenFile::sealed({bytes, bytes + size}), "input");
  if (!file.ok())
    return 0;
  for (uint64_t row = 0; row < file->rows(); ++row)
    for (const uint32_t token : file->row(row).tokens)
      if (token >= file->identity().vocabSize)
        std::abort();
  return 0;
}
