// Columns of bytes by which strided regions are told apart.
#pragma once

#include "runtime/Plan/ByteRegion.h"

#include <cstdint>

namespace ft::rt {

/// Columns that hold a region: at each level its bytes are, modulo a pitch, in one run of them. Heads side by side,
/// and tiles of different columns, are told apart by that in a few instructions.
class Lanes {
public:
  Lanes() = default;
  explicit Lanes(const ByteRegion &region);
  /// Sufficient: true only if the regions share no byte.
  bool apartFrom(const Lanes &other) const { return outer.apartFrom(other.outer) || inner.apartFrom(other.inner); }

private:
  struct Columns {
    int64_t pitch = 0, first = 0, width = 0; ///< pitch 0: any
    bool apartFrom(const Columns &other) const {
      if (pitch != other.pitch || pitch == 0)
        return false;
      const int64_t ahead = other.first >= first ? other.first - first : other.first - first + pitch;
      return ahead >= width && ahead + other.width <= pitch;
    }
  };
  Columns outer; ///< of outer items, or of rows where there are none
  Columns inner; ///< of rows, modulo what divides both pitches
};

} // namespace ft::rt
