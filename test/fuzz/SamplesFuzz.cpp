// A data file: JSON, JSONL and tables, packed or not. The first byte says which name it has.
#include "runtime/Text/Samples.h"
#include "test/fuzz/FuzzFile.h"

using namespace ft;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const fuzz::Folder folder;
  if (size == 0)
    return 0;
  constexpr const char *names[] = {"d.json", "d.csv", "d.tsv"};
  const auto file = rt::readSamples(folder.write(names[data[0] % 3], fuzz::textOf(data + 1, size - 1)));
  if (file.ok() && file->samples.empty())
    std::abort();
  return 0;
}
