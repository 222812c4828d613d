// What fills a tensor in NF4: numbers that become codes and scales on the way, or a checkpoint's own.
#pragma once

#include "runtime/Weights/BitsAndBytes.h"
#include "runtime/Weights/Fill.h"

#include <optional>

namespace ft::rt {

struct QuantizedFill {
  const plan::Tensor *tensor = nullptr; ///< of dtype U4
  Producer numbers;                     ///< f32, where nothing is packed
  std::optional<PackedNf4> packed;      ///< codes are taken as they are; so are scales that the plan wants so
  std::string source;                   ///< as in Fill
};

/// One tensor after the other, each on `threads` threads. Beside what the target holds, this takes the scales of one
/// tensor, and an image of it where the host cannot write the target. Errors: as runFills.
Status runQuantizedFills(const std::vector<QuantizedFill> &fills, const LoadTarget &target, uint32_t threads);

} // namespace ft::rt
