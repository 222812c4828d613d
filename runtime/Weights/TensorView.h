// A tensor as it lies in a model file: name, element encoding, shape and a view of its bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ft::rt {

/// How a file encodes elements. The quantised ones are ggml's blocks of 32 elements.
enum class Encoding : uint8_t { F64, F32, F16, BF16, I32, I64, U8, Q8_0, Q4_0, Q4_1 };

/// "F32", "Q4_1": the name in files and messages.
std::string_view encodingName(Encoding encoding);
/// Elements of one block: 32 for the quantised encodings, else 1.
uint64_t blockElements(Encoding encoding);
/// Bytes of one block: Q8_0 34, Q4_0 18, Q4_1 20, else the element's size.
uint64_t blockBytes(Encoding encoding);

/// `shape` is row-major, slowest dimension first; a scalar's is empty. `bytes` lies inside the file's mapping and
/// holds exactly the elements; it lives as long as the reader that gave it.
struct TensorView {
  std::string name;
  Encoding encoding = Encoding::F32;
  std::vector<uint64_t> shape;
  std::span<const std::byte> bytes;
};

/// The number of elements; UINT64_MAX where the product exceeds 64 bits.
uint64_t elementCount(std::span<const uint64_t> shape);
/// "[576, 1536]".
std::string shapeText(std::span<const uint64_t> shape);

} // namespace ft::rt
