// Strided sets of bytes, and exact set algebra on them in closed form.
#pragma once

#include "runtime/Plan/plan.pb.h"
#include "runtime/Support/Status.h"

#include <cstdint>
#include <string>
#include <vector>

namespace ft::rt {

/// No buffer, arena, offset or pitch reaches this, so that sums and products of two stay inside 128 bits, and
/// sums inside 64.
inline constexpr uint64_t maxPlanBytes = uint64_t(1) << 56;

/// The bytes start + j * outerPitch + i * pitch + [0, rowBytes), for i in [0, count) and j in [0, outerCount).
/// Always in normal form: rows do not overlap, rowBytes <= pitch, the span of one outer item <= outerPitch; rows that
/// touch are one row; a level of count 1 has pitch 0, and there is no outer level without an inner one. Two regions
/// of one level hold the same bytes exactly if they are equal.
struct ByteRegion {
  int64_t start = 0, rowBytes = 0;
  int64_t count = 1, pitch = 0;
  int64_t outerCount = 1, outerPitch = 0;

  int64_t innerSpan() const { return (count - 1) * pitch + rowBytes; }
  int64_t end() const { return start + (outerCount - 1) * outerPitch + innerSpan(); }
  int64_t bytes() const { return outerCount * count * rowBytes; }
  bool contiguous() const { return count == 1; }
  bool operator==(const ByteRegion &) const = default;
};

/// The normal form of rows × batch; levels may come in either order of pitch. A level of pitch 0 with count > 1 is a
/// broadcast: the same bytes again. Fails (message without a place) where rows are empty or overlap, or values reach
/// maxPlanBytes.
Expected<ByteRegion> makeRegion(uint64_t start, uint64_t rowBytes, uint64_t rows, uint64_t pitch, uint64_t batch,
                                uint64_t batchPitch);

/// The region of an operand whose buffer starts at `base`. Only a batch of an operand that is not written may be a
/// broadcast.
Expected<ByteRegion> makeRegion(const plan::Operand &operand, uint64_t base);

/// "64 rows of 256 bytes at pitch 512 from byte 0", with bytes counted from `base`.
std::string describe(const ByteRegion &region, int64_t base);

/// Bounds the time that adversarial geometry can cost: regions of two levels and unequal pitches are
/// compared line by line.
struct WorkBudget {
  int64_t left = 5'000'000;
  bool spend(int64_t units = 1) { return (left -= units) >= 0; }
  bool exhausted() const { return left < 0; }
};

/// Whether the two share a byte. Exact; O(1) for equal pitches, O(log pitch) for unequal ones of one level. Once the
/// budget is exhausted it answers true.
bool intersects(const ByteRegion &a, const ByteRegion &b, WorkBudget &budget);

/// The bytes that the two share; costs and budget are those of subtract().
int64_t sharedBytes(const ByteRegion &a, const ByteRegion &b, WorkBudget &budget);

/// Sufficient, O(1): true only if `outer` holds every byte of `inner`. For regions of one level it is exact where the
/// pitches agree or either is contiguous.
bool contains(const ByteRegion &outer, const ByteRegion &inner);

/// Appends a to `rest` without the bytes of b, as disjoint regions. Exact; once the budget is exhausted what is
/// appended is meaningless.
void subtract(const ByteRegion &a, const ByteRegion &b, std::vector<ByteRegion> &rest, WorkBudget &budget);

} // namespace ft::rt
