// The index of a folder of shards: names in it lead to no file outside.
#include "runtime/Weights/Safetensors.h"
#include "test/fuzz/FuzzFile.h"

using namespace ft;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const fuzz::Folder folder; // with one shard of one tensor
  static const std::string header = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  static const std::string shard = std::string(1, char(header.size())) + std::string(7, '\0') + header + "x";
  folder.write("a.safetensors", shard);
  folder.write("model.safetensors.index.json", fuzz::textOf(data, size));
  const auto set = rt::SafetensorsSet::open(folder.path);
  if (set.ok() && (set->tensors().size() != 1 || set->files().size() != 1))
    std::abort();
  return 0;
}
