// What fills a tensor in FP8: numbers that become codes and a scale for each row on the way.
#pragma once

#include "runtime/Weights/Fill.h"

#include <span>

namespace ft::rt {

struct Fp8Fill {
  const plan::Tensor *tensor = nullptr; ///< of dtype F8E4M3
  Layout layout;                        ///< of its codes
  Producer numbers;                     ///< f32
  std::string source;                   ///< as in Fill
};

/// The codes of one row of finite numbers; returns its scale (runtime/Plan/Fp8.h).
float fp8Quantize(std::span<const float> row, std::byte *codes);

/// One tensor after the other, its rows on `threads` threads. Beside what the target holds, this takes an image of one
/// tensor where the host cannot write the target. Errors: as runFills.
Status runFp8Fills(const std::vector<Fp8Fill> &fills, const LoadTarget &target, uint32_t threads);

} // namespace ft::rt
