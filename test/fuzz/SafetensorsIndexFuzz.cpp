// The index of a folder of shards: names in it lead to no file outside.
#include "runtime/Support/AtomicFile.h"
#include "runtime/Weights/Safetensors.h"

#include <filesystem>
#include <unistd.h>

using namespace ft::rt;

namespace {
/// With one shard, "a.safetensors", of one tensor, "a".
std::string makeFolder() {
  std::string folder = (std::filesystem::temp_directory_path() / "ftc-fuzz-XXXXXX").string();
  if (!mkdtemp(folder.data()))
    std::abort();
  std::string shard = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  shard = std::string(1, char(shard.size())) + std::string(7, '\0') + shard + "x";
  if (!writeFileAtomically(folder + "/a.safetensors", shard).ok())
    std::abort();
  return folder;
}

struct Folder {
  std::string path = makeFolder();
  ~Folder() { std::filesystem::remove_all(path); }
};
} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const Folder folder;
  if (FILE *index = std::fopen((folder.path + "/model.safetensors.index.json").c_str(), "wb")) {
    std::fwrite(data, 1, size, index);
    std::fclose(index);
  }
  const auto set = SafetensorsSet::open(folder.path);
  if (set.ok() && (set->tensors().size() != 1 || set->files().size() != 1))
    std::abort();
  return 0;
}
