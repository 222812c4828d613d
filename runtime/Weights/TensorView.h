// A tensor as it lies in a model file: name, element encoding, shape and a view of its bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ft::rt {

/// How a file encodes elements. F8_E4M3 is the finite form, without infinities. From Q8_0 on they are ggml's blocks.
enum class Encoding : uint8_t {
  F64,
  F32,
  F16,
  BF16,
  F8_E4M3,
  F8_E5M2,
  I16,
  I32,
  I64,
  U8,
  Q8_0,
  Q4_0,
  Q4_1,
  Q5_0,
  Q5_1,
  IQ4_NL,
  Q2_K,
  Q3_K,
  Q4_K,
  Q5_K,
  Q6_K,
  IQ4_XS,
};

/// "F32", "Q4_1": the name in files and messages.
std::string_view encodingName(Encoding encoding);
std::optional<Encoding> encodingNamed(std::string_view name);
/// Elements of one block: 256 for the K encodings and IQ4_XS, 32 for the other quantised ones, else 1.
uint64_t blockElements(Encoding encoding);
/// Bytes of one block; of an element where it is no block.
uint64_t blockBytes(Encoding encoding);

/// `shape` is row-major, slowest dimension first; a scalar's is empty. `bytes` lies inside the file's mapping and
/// holds exactly the elements; it lives as long as the reader that gave it.
struct TensorView {
  std::string name;
  Encoding encoding = Encoding::F32;
  std::vector<uint64_t> shape;
  std::span<const std::byte> bytes;
};

/// A tensor of a model that may lie in several files.
struct TensorInFile {
  const TensorView *view; ///< the reader's of `file`
  std::string file;       ///< path
};
using TensorIndex = std::map<std::string, TensorInFile, std::less<>>; ///< by name

/// The number of elements; UINT64_MAX where the product exceeds 64 bits.
uint64_t elementCount(std::span<const uint64_t> shape);
/// "[576, 1536]".
std::string shapeText(std::span<const uint64_t> shape);

} // namespace ft::rt
