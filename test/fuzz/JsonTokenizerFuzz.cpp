// tokenizer.json, and behind a zero byte tokenizer_config.json.
#include "test/fuzz/FuzzFile.h"
#include "test/fuzz/UseTokenizer.h"

using namespace ft;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const fuzz::Folder folder;
  const std::string_view text = fuzz::textOf(data, size);
  const size_t end = std::min(text.find('\0'), text.size());
  folder.write("tokenizer.json", text.substr(0, end));
  folder.write("tokenizer_config.json", end < text.size() ? text.substr(end + 1) : "{}");
  const auto tokenizer = rt::loadTokenizer(folder.path);
  if (tokenizer.ok())
    fuzz::useTokenizer(*tokenizer);
  return 0;
}
