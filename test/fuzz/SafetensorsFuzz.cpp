// A safetensors file: every view lies in the file and can be converted.
#include "runtime/Weights/Convert.h"
#include "runtime/Weights/Safetensors.h"
#include "test/fuzz/FuzzFile.h"

using namespace ft;
using namespace ft::rt;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const auto file = SafetensorsFile::open(fuzz::fileWith(data, size));
  if (!file.ok())
    return 0;
  for (const TensorView &view : file->tensors()) {
    if (!isConvertible(view.encoding, plan::F64))
      continue;
    std::vector<std::byte> out(elementCount(view.shape) * 8);
    convertElements(view, 0, elementCount(view.shape), plan::F64, out.data());
    firstNotFinite(plan::F64, out.data(), elementCount(view.shape));
  }
  return 0;
}
