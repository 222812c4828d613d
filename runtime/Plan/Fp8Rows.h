// Where a tensor in FP8 has its scales: plan.proto, Quantization.
#pragma once

#include "runtime/Plan/plan.pb.h"

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace ft::plan {

/// The scales of a tensor's rows, counted from the first row's on.
class Fp8Rows {
public:
  /// Nothing where sizes and strides do not place whole rows at multiples of row_pitch. Sizes have as many elements as
  /// shape, and stay below 2^56 elements with their strides.
  static std::optional<Fp8Rows> of(const Tensor &tensor) {
    const uint64_t pitch = tensor.quantization().row_pitch();
    if (tensor.shape_size() != 2 || tensor.sizes_size() != tensor.strides_size() || pitch == 0)
      return std::nullopt;
    Fp8Rows made;
    uint64_t rows = 1;
    for (int i = 0; i < tensor.sizes_size() && rows < tensor.shape(0); ++i) {
      if (tensor.strides(i) % pitch != 0)
        return std::nullopt;
      made.levels.push_back({tensor.sizes(i), tensor.strides(i) / pitch});
      made.number += (tensor.sizes(i) - 1) * made.levels.back().second;
      rows *= tensor.sizes(i);
    }
    return rows == tensor.shape(0) ? std::optional(made) : std::nullopt;
  }

  /// Scales from the first row's to behind the last row's; those of rows that the checkpoint does not know among them.
  uint64_t count() const { return number; }
  /// The scale of row `row` of the checkpoint's tensor.
  uint64_t indexOf(uint64_t row) const {
    uint64_t index = 0;
    for (size_t i = levels.size(); i-- > 0; row /= levels[i].first)
      index += row % levels[i].first * levels[i].second;
    return index;
  }

private:
  std::vector<std::pair<uint64_t, uint64_t>> levels; ///< sizes and strides in rows, slowest first
  uint64_t number = 1;
};

} // namespace ft::plan
