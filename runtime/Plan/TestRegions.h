// Random regions for tests, and what they are as sets.
#pragma once

#include "runtime/Plan/ByteRegion.h"

#include <random>
#include <set>

namespace ft::rt::test {

inline std::set<int64_t> bytesOf(const ByteRegion &r) {
  std::set<int64_t> bytes;
  for (int64_t j = 0; j < r.outerCount; ++j)
    for (int64_t i = 0; i < r.count; ++i)
      for (int64_t b = 0; b < r.rowBytes; ++b)
        bytes.insert(r.start + j * r.outerPitch + i * r.pitch + b);
  return bytes;
}

/// Small regions of every form. A few common pitches, so that equal ones meet often.
inline ByteRegion randomRegion(std::mt19937 &random) {
  auto below = [&](uint64_t n) { return random() % n; };
  while (true) {
    const uint64_t pitches[] = {5, 6, 8, 12, 16, 1 + below(20)};
    const uint64_t outerPitches[] = {24, 36, 48, 60, 1 + below(80), 2 + below(4)};
    auto region = makeRegion(below(60), 1 + below(9), 1 + below(below(3) ? 7 : 1), pitches[below(6)],
                             1 + below(below(2) ? 4 : 1), outerPitches[below(6)]);
    if (region.ok())
      return *region;
  }
}

} // namespace ft::rt::test
