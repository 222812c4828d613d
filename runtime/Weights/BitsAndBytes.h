// Weights that a checkpoint holds in 4 bits, as bitsandbytes writes them: beside "x.weight" lie "x.weight.absmax",
// ".quant_map", ".nested_absmax", ".nested_quant_map" and ".quant_state.bitsandbytes__nf4", whose bytes are JSON.
#pragma once

#include "runtime/Plan/Nf4.h"
#include "runtime/Support/Status.h"
#include "runtime/Weights/TensorView.h"

#include <functional>

namespace ft::rt {

/// The tensor of that name, or null.
using TensorLookup = std::function<const TensorView *(std::string_view name)>;

/// The parts of one weight, in the file; numbers may lie at any byte.
struct PackedNf4 {
  std::span<const std::byte> codes;  ///< two a byte, without those that complete the last block
  std::span<const std::byte> scales; ///< f32, or u8 where they are quantised as well
  bool doubleQuant = false;
  std::span<const std::byte> nestedScales, nestedValues; ///< f32
  float mean = 0;

  /// Of every block, as they are used.
  std::vector<float> blockScales() const;
};

/// Whether the tensor is stored in 4 bits of any kind.
bool isPacked(const TensorLookup &find, const std::string &name);
/// The weight of that name and `shape`. Errors: BadInput beginning with `place`, for another format than NF4 in blocks
/// of 64 (scales in blocks of 256), parts that are missing or of the wrong size, other values than NF4's, and scales
/// that are not finite.
Expected<PackedNf4> openPacked(const TensorLookup &find, const std::string &name, std::span<const uint64_t> shape,
                               const std::string &place);
/// The parts that lie beside the weight `name`, in any of these formats.
std::vector<std::string> packedParts(const std::string &name);

} // namespace ft::rt
