// A recipe, and behind a zero byte what --set says.
#include "compiler/Recipe/Recipe.h"
#include "test/fuzz/FuzzFile.h"

using namespace ft;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const fuzz::Folder folder;
  const std::string_view text = fuzz::textOf(data, size);
  const size_t end = std::min(text.find('\0'), text.size());
  const std::string path = folder.write("r.textproto", text.substr(0, end));
  std::vector<std::string> overrides;
  if (end < text.size())
    overrides.emplace_back(text.substr(end + 1));
  const auto loaded = loadRecipe(path, overrides);
  if (!loaded.ok() && loaded.status().message().size() > 3 * size + 2000)
    std::abort();
  return 0;
}
