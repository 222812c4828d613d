// A data file: JSON, JSONL and tables, packed or not. The first byte says which name it has.
#include "runtime/Text/Samples.h"
#include "test/fuzz/FuzzFile.h"

using namespace ft;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const fuzz::Folder folder;
  if (size == 0)
    return 0;
  constexpr const char *names[] = {"d.json", "d.csv", "d.tsv"};
  const auto source = rt::SampleSource::open(folder.write(names[data[0] % 3], fuzz::textOf(data + 1, size - 1)));
  if (!source.ok())
    return 0;
  rt::SampleSource::Reader records(*source);
  rt::Record record;
  for (auto more = records.next(record); more.ok() && *more; more = records.next(record))
    (void)source->sample(record);
  return 0;
}
