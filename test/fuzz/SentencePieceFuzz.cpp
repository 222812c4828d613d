// SentencePiece's tokenizer.model.
#include "test/fuzz/FuzzFile.h"
#include "test/fuzz/UseTokenizer.h"

using namespace ft;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const fuzz::Folder folder;
  folder.write("tokenizer.model", fuzz::textOf(data, size));
  const auto tokenizer = rt::loadTokenizer(folder.path);
  if (tokenizer.ok())
    fuzz::useTokenizer(*tokenizer);
  return 0;
}
