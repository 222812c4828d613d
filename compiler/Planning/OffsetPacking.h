// Packing of buffers with known lifetimes into one address range.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>

namespace ft {

/// A buffer that needs `size` bytes during steps [first, last], both included.
struct Lifetime {
  int64_t first = 0, last = 0;
  int64_t size = 0;
};

/// Offsets (parallel to the lifetimes), the bytes of the whole, the largest live set (a lower bound of the whole) and a
/// step at which it lives.
struct Packing {
  llvm::SmallVector<int64_t> offsets;
  int64_t size = 0;
  int64_t largestLive = 0;
  int64_t peakStep = 0;
};

/// Places every buffer at a multiple of `alignment` so that buffers that live together do not overlap. Deterministic.
///
/// Greedy best fit in five orders, the best result wins; stops at the first that meets the lower bound: largest first;
/// first to start; longest to live; largest size · time; last to end. Cost: orders × n² in the worst case, n is a few
/// thousand.
Packing packOffsets(llvm::ArrayRef<Lifetime> lifetimes, int64_t alignment);

} // namespace ft
