#include "compiler/Planning/OffsetPacking.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <map>

using namespace llvm;
using namespace ft;

static void findLargestLive(ArrayRef<Lifetime> lifetimes, int64_t alignment, Packing &packing) {
  std::map<int64_t, int64_t> change; // step → bytes that start (positive) or have ended (negative) there
  for (const Lifetime &l : lifetimes) {
    change[l.first] += alignTo(l.size, alignment);
    change[l.last + 1] -= alignTo(l.size, alignment);
  }
  int64_t live = 0;
  for (auto [step, bytes] : change) {
    live += bytes;
    if (live > packing.largestLive) {
      packing.largestLive = live;
      packing.peakStep = step;
    }
  }
}

namespace {
struct Placed {
  int64_t offset, end;
  int64_t first, last;
};
} // namespace

/// The lowest, tightest gap between buffers that live together with `l`.
static int64_t bestFit(const Lifetime &l, ArrayRef<Placed> placedByOffset, int64_t alignment) {
  int64_t size = alignTo(l.size, alignment), cursor = 0;
  int64_t best = -1, bestGap = std::numeric_limits<int64_t>::max();
  for (const Placed &p : placedByOffset) {
    if (p.last < l.first || p.first > l.last)
      continue;
    int64_t gap = p.offset - cursor;
    if (gap >= size && gap < bestGap) {
      best = cursor;
      bestGap = gap;
    }
    cursor = std::max(cursor, p.end);
  }
  return best >= 0 ? best : cursor;
}

static Packing packInOrder(ArrayRef<Lifetime> lifetimes, ArrayRef<int64_t> order, int64_t alignment) {
  Packing packing;
  packing.offsets.resize(lifetimes.size());
  SmallVector<Placed> placed;
  for (int64_t i : order) {
    const Lifetime &l = lifetimes[i];
    int64_t offset = bestFit(l, placed, alignment);
    Placed p{offset, offset + static_cast<int64_t>(alignTo(l.size, alignment)), l.first, l.last};
    placed.insert(llvm::upper_bound(placed, p, [](const Placed &a, const Placed &b) { return a.offset < b.offset; }),
                  p);
    packing.offsets[i] = offset;
    packing.size = std::max(packing.size, p.end);
  }
  return packing;
}

Packing ft::packOffsets(ArrayRef<Lifetime> lifetimes, int64_t alignment) {
  Packing best;
  best.size = std::numeric_limits<int64_t>::max();
  Packing bound;
  findLargestLive(lifetimes, alignment, bound);
  using Key = std::function<std::pair<int64_t, int64_t>(const Lifetime &)>;
  const Key keys[] = {
      [](const Lifetime &l) { return std::pair(-l.size, l.first); },
      [](const Lifetime &l) { return std::pair(l.first, -l.size); },
      [](const Lifetime &l) { return std::pair(l.first - l.last, -l.size); },
      [](const Lifetime &l) { return std::pair(-l.size * (l.last - l.first + 1), l.first); },
      [](const Lifetime &l) { return std::pair(-l.last, -l.size); },
  };
  for (const Key &key : keys) {
    SmallVector<int64_t> order(lifetimes.size());
    std::iota(order.begin(), order.end(), 0);
    llvm::stable_sort(order, [&](int64_t a, int64_t b) { return key(lifetimes[a]) < key(lifetimes[b]); });
    Packing candidate = packInOrder(lifetimes, order, alignment);
    if (candidate.size < best.size)
      best = candidate;
    if (best.size == bound.largestLive)
      break;
  }
  if (lifetimes.empty())
    best.size = 0;
  best.largestLive = bound.largestLive;
  best.peakStep = bound.peakStep;
  return best;
}
