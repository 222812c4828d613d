// A model of two GGUF files, cut where the input's first two bytes say: its tensors are of these files.
#include "runtime/Weights/GgufSet.h"
#include "test/fuzz/FuzzFile.h"

using namespace ft;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const fuzz::Folder folder;
  if (size < 2)
    return 0;
  const std::string_view text = fuzz::textOf(data + 2, size - 2);
  const size_t cut = std::min<size_t>(size_t(data[0]) << 8 | data[1], text.size());
  const std::string first = folder.write("m-00001-of-00002.gguf", text.substr(0, cut));
  folder.write("m-00002-of-00002.gguf", text.substr(cut));
  const auto set = rt::GgufSet::open(first);
  if (!set.ok())
    return 0;
  size_t tensors = 0;
  for (const rt::GgufFile &file : set->files())
    tensors += file.tensors().size();
  if (set->files().size() > 2 || tensors != set->tensors().size())
    std::abort();
  return 0;
}
