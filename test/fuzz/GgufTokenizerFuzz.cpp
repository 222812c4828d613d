// The tokenizer in a GGUF file's metadata, and the files that are written from it.
#include "runtime/Tokenizer/TokenizerFiles.h"
#include "runtime/Tokenizer/TokenizerSpec.h"
#include "runtime/Weights/Gguf.h"
#include "test/fuzz/FuzzFile.h"
#include "test/fuzz/UseTokenizer.h"

using namespace ft;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const auto file = rt::GgufFile::open(fuzz::fileWith(data, size));
  if (!file.ok())
    return 0;
  auto spec = rt::readGgufTokenizer(*file);
  if (!spec.ok())
    return 0;
  if (std::holds_alternative<rt::PieceSpec>(spec->model))
    rt::sentencePieceModel(*spec);
  else
    rt::tokenizerJson(*spec);
  rt::tokenizerConfigJson(*spec, "{{ messages }}");
  const auto tokenizer = rt::Tokenizer::create(std::move(*spec));
  if (tokenizer.ok())
    fuzz::useTokenizer(*tokenizer);
  return 0;
}
