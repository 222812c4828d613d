// A model's name on the Hub, and behind a zero byte what its reference in the cache holds: the path that is found lies
// in the folder of the model's snapshots.
#include "runtime/Config/HubCache.h"
#include "test/fuzz/FuzzFile.h"

using namespace ft;
namespace fs = std::filesystem;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const fuzz::Folder folder;
  const std::string_view text = fuzz::textOf(data, size);
  const size_t end = std::min(text.find('\0'), text.size());
  (void)rt::parseHubName(text.substr(0, end));
  setenv("HF_HUB_CACHE", folder.path.c_str(), 1);
  const fs::path model = fs::path(folder.path) / "models--a--b";
  fs::create_directories(model / "snapshots" / "0123abc");
  fs::create_directories(model / "refs");
  folder.write("models--a--b/refs/main", end < text.size() ? text.substr(end + 1) : text);
  const auto name = rt::parseHubName("a/b@" + std::string(text.substr(0, end)));
  for (const rt::HubName &asked : {rt::HubName{"a/b"}, name.value_or(rt::HubName{"a/b"})}) {
    const auto found = rt::findSnapshot(asked);
    if (found.ok() && fs::path(*found) != model / "snapshots" / "0123abc")
      std::abort();
  }
  return 0;
}
