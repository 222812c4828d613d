// state.json of a checkpoint: what is accepted comes back as the same text.
#include "runtime/Checkpoint/CheckpointState.h"

using namespace ft::rt;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const auto state = parseCheckpointState({reinterpret_cast<const char *>(data), size}, "state.json");
  if (!state.ok())
    return 0;
  const std::string text = toJson(*state);
  const auto again = parseCheckpointState(text, "state.json");
  if (!again.ok() || toJson(*again) != text)
    std::abort();
  return 0;
}
