#include "runtime/Weights/TensorView.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace ft::rt {

namespace {
struct EncodingFacts {
  std::string_view name;
  uint64_t elements, bytes;
};

const EncodingFacts &factsOf(Encoding encoding) {
  static constexpr EncodingFacts table[] = {{"F64", 1, 8},    {"F32", 1, 4},   {"F16", 1, 2}, {"BF16", 1, 2},
                                            {"I32", 1, 4},    {"I64", 1, 8},   {"U8", 1, 1},  {"Q8_0", 32, 34},
                                            {"Q4_0", 32, 18}, {"Q4_1", 32, 20}};
  return table[size_t(encoding)];
}
} // namespace

std::string_view encodingName(Encoding encoding) { return factsOf(encoding).name; }
uint64_t blockElements(Encoding encoding) { return factsOf(encoding).elements; }
uint64_t blockBytes(Encoding encoding) { return factsOf(encoding).bytes; }

uint64_t elementCount(std::span<const uint64_t> shape) {
  uint64_t count = 1;
  for (uint64_t size : shape)
    if (__builtin_mul_overflow(count, size, &count))
      return UINT64_MAX;
  return count;
}

std::string shapeText(std::span<const uint64_t> shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

} // namespace ft::rt
