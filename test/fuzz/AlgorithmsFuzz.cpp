// algorithms.json: what is accepted comes back as the same text.
#include "runtime/Checkpoint/Algorithms.h"

using namespace ft::rt;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const auto read = parseAlgorithms({reinterpret_cast<const char *>(data), size}, "algorithms.json");
  if (!read.ok())
    return 0;
  const std::string text = toJson(*read);
  const auto again = parseAlgorithms(text, "algorithms.json");
  if (!again.ok() || toJson(*again) != text)
    std::abort();
  return 0;
}
