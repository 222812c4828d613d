#include "runtime/Weights/TensorView.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace ft::rt {

namespace {
struct EncodingFacts {
  std::string_view name;
  uint64_t elements, bytes;
};

constexpr EncodingFacts table[] = {{"F64", 1, 8},      {"F32", 1, 4},       {"F16", 1, 2},      {"BF16", 1, 2},
                                   {"F8_E4M3", 1, 1},  {"F8_E5M2", 1, 1},   {"I16", 1, 2},      {"I32", 1, 4},
                                   {"I64", 1, 8},      {"U8", 1, 1},        {"Q8_0", 32, 34},   {"Q4_0", 32, 18},
                                   {"Q4_1", 32, 20},   {"Q5_0", 32, 22},    {"Q5_1", 32, 24},   {"IQ4_NL", 32, 18},
                                   {"Q2_K", 256, 84},  {"Q3_K", 256, 110},  {"Q4_K", 256, 144}, {"Q5_K", 256, 176},
                                   {"Q6_K", 256, 210}, {"IQ4_XS", 256, 136}};

const EncodingFacts &factsOf(Encoding encoding) { return table[size_t(encoding)]; }
} // namespace

std::string_view encodingName(Encoding encoding) { return factsOf(encoding).name; }

std::optional<Encoding> encodingNamed(std::string_view name) {
  for (size_t i = 0; i < std::size(table); ++i)
    if (table[i].name == name)
      return Encoding(i);
  return std::nullopt;
}

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
