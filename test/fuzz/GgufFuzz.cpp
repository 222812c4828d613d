// A GGUF file: metadata to the model's shape, and every tensor converted.
#include "runtime/Weights/Convert.h"
#include "runtime/Weights/Facts.h"
#include "test/fuzz/FuzzFile.h"

using namespace ft;
using namespace ft::rt;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const auto file = GgufFile::open(fuzz::fileWith(data, size));
  if (!file.ok())
    return 0;
  std::vector<std::string> problems;
  const ModelConfig config = ggufModelConfig("input", metadataJson(*file), problems);
  if (problems.empty() && (config.heads < 1 || config.kvHeads < 1 || config.headDim < 1))
    std::abort();
  for (const TensorView &view : file->tensors()) {
    if (!isConvertible(view.encoding, plan::BF16))
      continue;
    std::vector<std::byte> out(elementCount(view.shape) * 2);
    convertElements(view, 0, elementCount(view.shape), plan::BF16, out.data());
  }
  return 0;
}
