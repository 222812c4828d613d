#include "runtime/Plan/ByteRegion.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace ft::rt {

namespace {

int64_t floorDiv(int64_t a, int64_t b) { return a / b - (a % b < 0); }
int64_t ceilDiv(int64_t a, int64_t b) { return a / b + (a % b > 0); }

struct Range {
  int64_t first, last; ///< inclusive; empty if first > last
};

/// The t in [low, high] for which [origin + t * pitch, + length) and [begin, end) share a byte.
Range itemsTouching(int64_t origin, int64_t pitch, int64_t length, int64_t low, int64_t high, int64_t begin,
                    int64_t end) {
  if (pitch == 0)
    return origin < end && begin < origin + length ? Range{0, 0} : Range{0, -1};
  return {std::max(low, floorDiv(begin - origin - length, pitch) + 1),
          std::min(high, ceilDiv(end - origin, pitch) - 1)};
}

/// Levels in order, touching rows joined, counts of 1 without pitch.
ByteRegion normalised(int64_t start, int64_t rowBytes, int64_t count, int64_t pitch, int64_t outerCount,
                      int64_t outerPitch) {
  if (count == 1) {
    count = std::exchange(outerCount, 1);
    pitch = std::exchange(outerPitch, 0);
  }
  if (pitch == rowBytes) {
    rowBytes *= count;
    count = std::exchange(outerCount, 1);
    pitch = std::exchange(outerPitch, 0);
    if (pitch == rowBytes) {
      rowBytes *= count;
      count = 1;
    }
  } else if (outerPitch == count * pitch) {
    count *= std::exchange(outerCount, 1);
    outerPitch = 0;
  }
  if (count == 1)
    pitch = 0;
  if (outerCount == 1)
    outerPitch = 0;
  return {start, rowBytes, count, pitch, outerCount, outerPitch};
}

ByteRegion outerItem(const ByteRegion &r, int64_t j) {
  return {r.start + j * r.outerPitch, r.rowBytes, r.count, r.pitch, 1, 0};
}

/// A region of two levels, as far as it can touch `other`, as regions of one level: its outer items near the hull of
/// `other`, or row i of every item for each i, whichever are fewer.
class Lines {
public:
  Lines(const ByteRegion &region, const ByteRegion &other)
      : r(region), items(itemsTouching(region.start, region.outerPitch, region.innerSpan(), 0, region.outerCount - 1,
                                       other.start, other.end())),
        byItem(items.last - items.first < r.count) {}

  int64_t size() const { return byItem ? std::max<int64_t>(0, items.last - items.first + 1) : r.count; }
  ByteRegion operator[](int64_t i) const {
    if (byItem)
      return outerItem(r, items.first + i);
    return normalised(r.start + i * r.pitch, r.rowBytes, r.outerCount, r.outerPitch, 1, 0);
  }

private:
  const ByteRegion &r;
  Range items;
  bool byItem;
};

/// The rows of one level that cover a region: its outer items without their gaps.
ByteRegion fatRows(const ByteRegion &r) {
  return r.outerCount == 1 ? r : normalised(r.start, r.innerSpan(), r.outerCount, r.outerPitch, 1, 0);
}

bool hullsTouch(const ByteRegion &a, const ByteRegion &b) { return a.start < b.end() && b.start < a.end(); }

bool rowTouches(int64_t x, int64_t length, const ByteRegion &rows) {
  const Range hit = itemsTouching(rows.start, rows.pitch, rows.rowBytes, 0, rows.count - 1, x, x + length);
  return hit.first <= hit.last;
}

using Wide = unsigned __int128;

/// Σ floor((a·i + b) / m) for i in [0, n): Euclid's algorithm on the lattice below a line.
Wide floorSum(Wide n, Wide m, Wide a, Wide b) {
  Wide sum = 0;
  while (true) {
    sum += n * (n - 1) / 2 * (a / m) + n * (b / m);
    a %= m, b %= m;
    const Wide top = a * n + b;
    if (top < m)
      return sum;
    n = top / m;
    b = top % m;
    std::swap(m, a);
  }
}

/// Whether (c + a·i) mod m < w for some i in [0, n): the number of such i is a difference of two lattice sums.
bool progressionHits(int64_t n, int64_t m, int64_t a, int64_t c, int64_t w) {
  if (w >= m)
    return n > 0;
  return Wide(n) + floorSum(n, m, a, c) != floorSum(n, m, a, c + m - w);
}

/// Rows of unequal pitches. Row i of a, at offset u inside its period of b, touches b iff u < b.rowBytes or
/// u + a.rowBytes > b.pitch; that holds for rows inside the whole periods of b, the few at the ends are tried singly.
bool unequalRowsTouch(const ByteRegion &a, const ByteRegion &b) {
  const int64_t periodsEnd = b.start + b.count * b.pitch;
  const int64_t first = std::max<int64_t>(0, ceilDiv(b.start - a.start, a.pitch));
  const int64_t last = std::min(a.count - 1, floorDiv(periodsEnd - a.rowBytes - a.start, a.pitch));
  for (int64_t i : {first - 1, first, last, last + 1})
    if (i >= 0 && i < a.count && rowTouches(a.start + i * a.pitch, a.rowBytes, b))
      return true;
  if (first > last)
    return false;
  const int64_t shift = a.start + first * a.pitch - b.start + a.rowBytes - 1;
  return progressionHits(last - first + 1, b.pitch, a.pitch % b.pitch, shift % b.pitch, a.rowBytes + b.rowBytes - 1);
}

/// Two regions of one level.
bool rowsTouch(const ByteRegion &a, const ByteRegion &b) {
  if (!hullsTouch(a, b))
    return false;
  if (a.count == 1)
    return rowTouches(a.start, a.rowBytes, b);
  if (b.count == 1)
    return rowTouches(b.start, b.rowBytes, a);
  if (a.pitch != b.pitch)
    return unequalRowsTouch(a, b);
  // Row k of b against row i of a depends on k - i alone.
  const Range hit =
      itemsTouching(b.start, a.pitch, b.rowBytes, 1 - a.count, b.count - 1, a.start, a.start + a.rowBytes);
  return hit.first <= hit.last;
}

/// A set of whole columns of whole rows, on a grid of one pitch.
struct Rectangle {
  int64_t row0, row1, col0, col1;
};

/// A region of one level as rectangles on the grid that starts at `anchor`: one, or two where its rows cross the
/// grid's border; a contiguous one as first, middle and last rows.
std::vector<Rectangle> onGrid(const ByteRegion &r, int64_t anchor, int64_t pitch) {
  const int64_t row = floorDiv(r.start - anchor, pitch), col = r.start - anchor - row * pitch;
  if (r.count > 1 || col + r.rowBytes <= pitch) {
    const int64_t cut = std::min(col + r.rowBytes, pitch), rest = col + r.rowBytes - cut;
    std::vector<Rectangle> parts{{row, row + r.count, col, cut}};
    if (rest > 0)
      parts.push_back({row + 1, row + 1 + r.count, 0, rest});
    return parts;
  }
  const int64_t lastRow = floorDiv(r.end() - anchor, pitch), lastCol = r.end() - anchor - lastRow * pitch;
  std::vector<Rectangle> parts;
  const int64_t fullFrom = col > 0 ? row + 1 : row;
  if (col > 0)
    parts.push_back({row, row + 1, col, pitch});
  if (fullFrom < lastRow)
    parts.push_back({fullFrom, lastRow, 0, pitch});
  if (lastCol > 0)
    parts.push_back({lastRow, lastRow + 1, 0, lastCol});
  return parts;
}

void cut(const Rectangle &a, const Rectangle &b, std::vector<Rectangle> &rest) {
  const int64_t row0 = std::max(a.row0, b.row0), row1 = std::min(a.row1, b.row1);
  const int64_t col0 = std::max(a.col0, b.col0), col1 = std::min(a.col1, b.col1);
  if (row0 >= row1 || col0 >= col1)
    return rest.push_back(a);
  if (a.row0 < row0)
    rest.push_back({a.row0, row0, a.col0, a.col1});
  if (row1 < a.row1)
    rest.push_back({row1, a.row1, a.col0, a.col1});
  if (a.col0 < col0)
    rest.push_back({row0, row1, a.col0, col0});
  if (col1 < a.col1)
    rest.push_back({row0, row1, col1, a.col1});
}

/// One level each; equal pitches, or one of them contiguous.
void subtractOnGrid(const ByteRegion &a, const ByteRegion &b, std::vector<ByteRegion> &rest) {
  if (a.count == 1 && b.count == 1) {
    if (a.start < b.start)
      rest.push_back({a.start, b.start - a.start});
    if (b.end() < a.end())
      rest.push_back({b.end(), a.end() - b.end()});
    return;
  }
  const int64_t pitch = a.count > 1 ? a.pitch : b.pitch, anchor = a.count > 1 ? a.start : b.start;
  std::vector<Rectangle> left = onGrid(a, anchor, pitch), next;
  for (const Rectangle &part : onGrid(b, anchor, pitch)) {
    next.clear();
    for (const Rectangle &rectangle : left)
      cut(rectangle, part, next);
    left.swap(next);
  }
  for (const Rectangle &r : left)
    rest.push_back(normalised(anchor + r.row0 * pitch + r.col0, r.col1 - r.col0, r.row1 - r.row0, pitch, 1, 0));
}

} // namespace

Expected<ByteRegion> makeRegion(uint64_t start, uint64_t rowBytes, uint64_t rows, uint64_t pitch, uint64_t batch,
                                uint64_t batchPitch) {
  if (rowBytes == 0 || rows == 0)
    return badInput(fmt::format("has {} rows of {} bytes; both must be at least 1", rows, rowBytes));
  if (pitch == 0 && rows > 1)
    return badInput(fmt::format("has pitch 0 between {} rows; must be at least the row's {} bytes", rows, rowBytes));
  if (std::max({start, rowBytes, rows, pitch, batch, batchPitch}) >= maxPlanBytes)
    return badInput(
        fmt::format("has offset {}, row_bytes {}, rows {}, pitch {}, batch {}, batch_pitch {}; each must be "
                    "below 2^56",
                    start, rowBytes, rows, pitch, batch, batchPitch));
  if (batchPitch == 0 || batch == 0)
    batch = 1; // a broadcast reads the same rows again
  struct Level {
    uint64_t count, pitch;
  } inner{rows, pitch}, outer{batch, batchPitch};
  if (inner.count == 1 || (outer.count > 1 && outer.pitch < inner.pitch))
    std::swap(inner, outer);
  if (inner.count > 1 && inner.pitch < rowBytes)
    return badInput(fmt::format("has rows of {} bytes at a pitch of {}: they overlap", rowBytes, inner.pitch));
  const Wide span = Wide(inner.count - 1) * inner.pitch + rowBytes;
  if (outer.count > 1 && outer.pitch < span)
    return badInput(fmt::format("has rows {} × pitch {} and batch {} × batch_pitch {} that overlap or interleave", rows,
                                pitch, batch, batchPitch));
  const Wide end = start + Wide(outer.count - 1) * (outer.count > 1 ? outer.pitch : 0) + span;
  if (end >= maxPlanBytes)
    return badInput(fmt::format("spans {} rows at pitch {} and {} batches at {}: ends behind byte 2^56", rows, pitch,
                                batch, batchPitch));
  return normalised(int64_t(start), int64_t(rowBytes), int64_t(inner.count), int64_t(inner.pitch), int64_t(outer.count),
                    int64_t(outer.pitch));
}

Expected<ByteRegion> makeRegion(const plan::Operand &operand, uint64_t base) {
  if (operand.batch() > 1 && operand.batch_pitch() == 0 && operand.write() != 0)
    return badInput(fmt::format("writes {} batches at batch_pitch 0: onto each other", operand.batch()));
  if (operand.offset() >= maxPlanBytes || base >= maxPlanBytes)
    return badInput(fmt::format("has offset {}; must be below 2^56", operand.offset()));
  return makeRegion(base + operand.offset(), operand.row_bytes(), operand.rows(), operand.pitch(), operand.batch(),
                    operand.batch_pitch());
}

std::string describe(const ByteRegion &region, int64_t base) {
  const int64_t start = region.start - base;
  if (region.contiguous())
    return fmt::format("bytes [{}, {})", start, start + region.rowBytes);
  std::string outer;
  if (region.outerCount > 1)
    outer = fmt::format(", {} times at pitch {}", region.outerCount, region.outerPitch);
  return fmt::format("{} rows of {} bytes at pitch {} from byte {}{}", region.count, region.rowBytes, region.pitch,
                     start, outer);
}

bool intersects(const ByteRegion &a, const ByteRegion &b, WorkBudget &budget) {
  if (!hullsTouch(a, b) || !rowsTouch(fatRows(a), fatRows(b)))
    return false;
  if (a.outerCount == 1 && b.outerCount == 1)
    return true;
  if (a.outerPitch == b.outerPitch) {
    // Item l of b against item j of a depends on l - j alone; spans <= pitch leave at most two differences.
    const Range hit = itemsTouching(b.start, a.outerPitch, b.innerSpan(), 1 - a.outerCount, b.outerCount - 1, a.start,
                                    a.start + a.innerSpan());
    for (int64_t t = hit.first; t <= hit.last; ++t)
      if (rowsTouch(outerItem(a, 0), outerItem(b, t)))
        return true;
    return false;
  }
  const Lines linesOfA(a, b), linesOfB(b, a);
  const bool splitA = a.outerCount > 1 && (b.outerCount == 1 || linesOfA.size() <= linesOfB.size());
  const Lines &lines = splitA ? linesOfA : linesOfB;
  for (int64_t i = 0; i < lines.size(); ++i)
    if (!budget.spend() || intersects(lines[i], splitA ? b : a, budget))
      return true;
  return false;
}

bool contains(const ByteRegion &outer, const ByteRegion &inner) {
  const int64_t offset = inner.start - outer.start;
  if (offset < 0 || inner.end() > outer.end())
    return false;
  if (outer.contiguous() || outer == inner)
    return true;
  // Place inner's first row in outer's grid; then each level of inner must stay inside a row of outer, or run along
  // one of its levels.
  const int64_t item = outer.outerCount > 1 ? offset / outer.outerPitch : 0;
  const int64_t row = (offset - item * outer.outerPitch) / outer.pitch;
  const int64_t column = offset - item * outer.outerPitch - row * outer.pitch;
  int64_t width = inner.rowBytes, rows = 1, items = 1;
  auto follow = [&](int64_t count, int64_t pitch) {
    if (pitch == outer.pitch)
      rows = count;
    else if (pitch == outer.outerPitch)
      items = count;
    else
      width += (count - 1) * pitch;
  };
  if (inner.count > 1)
    follow(inner.count, inner.pitch);
  if (inner.outerCount > 1)
    follow(inner.outerCount, inner.outerPitch);
  return column + width <= outer.rowBytes && row + rows <= outer.count && item + items <= outer.outerCount;
}

void subtract(const ByteRegion &a, const ByteRegion &b, std::vector<ByteRegion> &rest, WorkBudget &budget) {
  if (!intersects(a, b, budget))
    return rest.push_back(a);
  if (contains(b, a))
    return;
  if (b.outerCount > 1) {
    std::vector<ByteRegion> left{a}, next;
    const Lines lines(b, a);
    for (int64_t i = 0; i < lines.size(); ++i) {
      if (!budget.spend(int64_t(left.size())))
        return;
      next.clear();
      for (const ByteRegion &piece : left)
        subtract(piece, lines[i], next, budget);
      left.swap(next);
    }
    rest.insert(rest.end(), left.begin(), left.end());
    return;
  }
  if (a.outerCount > 1) {
    const Lines lines(a, a);
    for (int64_t i = 0; i < lines.size() && budget.spend(); ++i)
      subtract(lines[i], b, rest, budget);
    return;
  }
  if (a.count == 1 || b.count == 1 || a.pitch == b.pitch)
    return subtractOnGrid(a, b, rest);
  // Unequal pitches: rows before and behind b stay together, those between go one by one.
  auto rows = [&](int64_t first, int64_t n) {
    return normalised(a.start + first * a.pitch, a.rowBytes, n, a.pitch, 1, 0);
  };
  const Range hit = itemsTouching(a.start, a.pitch, a.rowBytes, 0, a.count - 1, b.start, b.end());
  if (hit.first > 0)
    rest.push_back(rows(0, hit.first));
  if (hit.last + 1 < a.count)
    rest.push_back(rows(hit.last + 1, a.count - hit.last - 1));
  for (int64_t i = hit.first; i <= hit.last && budget.spend(); ++i)
    subtract(rows(i, 1), b, rest, budget);
}

int64_t sharedBytes(const ByteRegion &a, const ByteRegion &b, WorkBudget &budget) {
  if (contains(b, a))
    return a.bytes();
  if (contains(a, b))
    return b.bytes();
  if (!intersects(a, b, budget))
    return 0;
  std::vector<ByteRegion> rest;
  subtract(a, b, rest, budget);
  int64_t bytes = a.bytes();
  for (const ByteRegion &piece : rest)
    bytes -= piece.bytes();
  return bytes;
}

} // namespace ft::rt
