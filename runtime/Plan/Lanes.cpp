#include "runtime/Plan/Lanes.h"

#include <numeric>

namespace ft::rt {

Lanes::Lanes(const ByteRegion &region) {
  const auto columns = [&](int64_t pitch, int64_t width) {
    return width < pitch ? Columns{pitch, region.start % pitch, width} : Columns();
  };
  if (region.count > 1)
    inner = columns(std::gcd(region.pitch, region.outerPitch), region.rowBytes);
  outer = region.outerCount > 1 ? columns(region.outerPitch, region.innerSpan()) : inner;
}

} // namespace ft::rt
