#include "runtime/Weights/FillPiece.h"

#include "runtime/Support/Parallel.h"
#include "runtime/Weights/Convert.h"
#include "runtime/Weights/ReadAhead.h"
#include "runtime/Weights/StreamCopy.h"

#include <cstring>

namespace ft::rt {

namespace {

/// Elements of one work item: large enough to hide its start, small enough to balance threads.
constexpr uint64_t pieceElements = 1 << 18;
/// Shorter runs are produced densely and then scattered.
constexpr uint64_t shortRun = 64;

void produceChecked(const Placed &placed, uint64_t first, uint64_t count, std::byte *out, FirstBad &bad) {
  const Fill &fill = *placed.fill;
  const std::byte *stored = fill.produce.stored(first);
  if (stored) {
    const auto copy = placed.isReadSoon ? cachedCopy : streamCopy;
    if (!copy(fill.dtype, stored, count, out) || fill.source.empty())
      return;
  } else {
    fill.produce(first, count, out);
    if (fill.source.empty())
      return;
  }
  // While it is in the cache, where it has been computed.
  if (const uint64_t found = firstNotFinite(fill.dtype, stored ? stored : out, count); found != count)
    bad.add(fill, first + found);
}

/// The runs of elements [first, first + count), as far as they lie in the range.
template <typename Visit> void forRange(const Placed &placed, uint64_t first, uint64_t count, Visit visit) {
  const uint64_t width = placed.fill->layout.elementBytes();
  placed.fill->layout.forRuns(first, count, [&](uint64_t offset, uint64_t index, uint64_t n) {
    const uint64_t begin = std::max(offset, placed.begin), end = std::min(offset + n * width, placed.end);
    if (begin < end)
      visit(placed.base + (begin - placed.begin), index + (begin - offset) / width, (end - begin) / width);
  });
}

struct Piece {
  const Placed *placed;
  uint64_t first, count;

  const std::byte *inFile() const { return placed->fill->produce.fileBytes(first, count).data(); }
};

std::vector<Piece> piecesOf(const std::vector<Placed> &all) {
  std::vector<Piece> pieces;
  for (const Placed &placed : all) {
    const auto [begin, end] = placed.fill->layout.elementsIn(placed.begin, placed.end);
    for (uint64_t first = begin; first < end; first += pieceElements)
      pieces.push_back({&placed, first, std::min(pieceElements, end - first)});
  }
  std::stable_sort(pieces.begin(), pieces.end(),
                   [](const Piece &a, const Piece &b) { return std::less<>()(a.inFile(), b.inFile()); });
  return pieces;
}

} // namespace

void FirstBad::add(const Fill &fill, uint64_t element) {
  const std::lock_guard lock(mutex);
  first = std::min(first, {size_t(&fill - fills.data()), element});
}

Status FirstBad::status() const {
  if (first.first == SIZE_MAX)
    return {};
  const Fill &fill = fills[first.first];
  return notFinite(fill.source, first.second, fill.layout.count(), fill.dtype);
}

uint64_t fillElements(const Placed &placed, uint64_t first, uint64_t count, FirstBad &bad) {
  const Layout &layout = placed.fill->layout;
  const uint64_t width = layout.elementBytes();
  uint64_t made = 0;
  if (layout.runElements() >= shortRun) {
    forRange(placed, first, count, [&](std::byte *out, uint64_t index, uint64_t n) {
      produceChecked(placed, index, n, out, bad);
      made += n * width;
    });
    return made;
  }
  forRange(placed, first, count, [&](std::byte *, uint64_t, uint64_t n) { made += n * width; });
  if (made == 0)
    return 0;
  std::vector<std::byte> dense(count * width);
  produceChecked(placed, first, count, dense.data(), bad);
  forRange(placed, first, count, [&](std::byte *out, uint64_t index, uint64_t n) {
    std::memcpy(out, dense.data() + (index - first) * width, n * width);
  });
  return made;
}

void fillAll(const std::vector<Placed> &all, const LoadTarget &target, uint32_t threads, FirstBad &bad,
             AfterReading after) {
  const std::vector<Piece> pieces = piecesOf(all);
  std::vector<ReadAhead::Parts> reads;
  for (const Piece &piece : pieces)
    reads.push_back({piece.placed->fill->produce.fileBytes(piece.first, piece.count)});
  ReadAhead ahead(std::move(reads));
  parallelFor(threads, pieces.size(), [&](uint64_t i) {
    uint64_t made = 0;
    {
      const ReadAhead::Reading reading = ahead.begin(i);
      made = fillElements(*pieces[i].placed, pieces[i].first, pieces[i].count, bad);
    }
    if (after == AfterReading::Release)
      ahead.release(i);
    if (target.made)
      target.made(made);
  });
}

} // namespace ft::rt
