#include "runtime/Weights/Fill.h"

#include "runtime/Support/Parallel.h"
#include "runtime/Weights/Convert.h"

#include <cstring>
#include <fmt/format.h>
#include <mutex>

namespace ft::rt {

namespace {

/// Elements of one work item: large enough to hide its start, small enough to balance threads.
constexpr uint64_t chunkElements = 1 << 18;
/// Shorter runs are produced densely and then scattered.
constexpr uint64_t shortRun = 64;

struct Placed {
  const Fill *fill;
  std::byte *base; ///< address of byte `baseOffset` of the buffer
  uint64_t baseOffset;

  std::byte *addressOf(uint64_t offset) const { return base + (fill->share.inBuffer(offset) - baseOffset); }
};

/// The first element of the chunk that is not finite where that is checked, while it is in the cache; else `notFound`.
constexpr uint64_t notFound = UINT64_MAX;

uint64_t produceChecked(const Fill &fill, uint64_t first, uint64_t count, std::byte *out) {
  fill.produce(first, count, out);
  if (fill.source.empty())
    return notFound;
  const uint64_t bad = firstNotFinite(fill.dtype, out, count);
  return bad == count ? notFound : first + bad;
}

/// The runs of elements [first, first + count), as far as they lie in the share: it divides at whole elements.
template <typename Visit> void forShare(const Placed &placed, uint64_t first, uint64_t count, Visit visit) {
  const uint64_t width = placed.fill->layout.elementBytes();
  const plan::Share &share = placed.fill->share;
  placed.fill->layout.forRuns(first, count, [&](uint64_t offset, uint64_t index, uint64_t n) {
    const uint64_t begin = std::max(offset, share.begin), end = std::min(offset + n * width, share.end);
    if (begin < end)
      visit(begin, index + (begin - offset) / width, (end - begin) / width);
  });
}

uint64_t fillChunk(const Placed &placed, uint64_t first, uint64_t count) {
  const Layout &layout = placed.fill->layout;
  const uint64_t width = layout.elementBytes();
  uint64_t bad = notFound;
  if (layout.runElements() >= shortRun) {
    forShare(placed, first, count, [&](uint64_t offset, uint64_t index, uint64_t n) {
      bad = std::min(bad, produceChecked(*placed.fill, index, n, placed.addressOf(offset)));
    });
    return bad;
  }
  bool any = false;
  forShare(placed, first, count, [&](uint64_t, uint64_t, uint64_t) { any = true; });
  if (!any)
    return bad;
  std::vector<std::byte> dense(count * width);
  bad = produceChecked(*placed.fill, first, count, dense.data());
  forShare(placed, first, count, [&](uint64_t offset, uint64_t index, uint64_t n) {
    std::memcpy(placed.addressOf(offset), dense.data() + (index - first) * width, n * width);
  });
  return bad;
}

Status fillAll(const std::vector<Placed> &all, const LoadTarget &target, uint32_t threads) {
  std::vector<uint64_t> firstChunk; // of each tensor
  uint64_t chunks = 0;
  for (const Placed &placed : all) {
    firstChunk.push_back(chunks);
    chunks += (placed.fill->layout.count() + chunkElements - 1) / chunkElements;
  }
  std::mutex mutex;
  std::pair<size_t, uint64_t> bad(all.size(), notFound); // the first, in the order of fills and elements
  parallelFor(threads, chunks, [&](uint64_t chunk) {
    size_t i = size_t(std::upper_bound(firstChunk.begin(), firstChunk.end(), chunk) - firstChunk.begin()) - 1;
    uint64_t first = (chunk - firstChunk[i]) * chunkElements;
    const uint64_t count = std::min(chunkElements, all[i].fill->layout.count() - first);
    const uint64_t found = fillChunk(all[i], first, count);
    if (target.made)
      target.made(count * all[i].fill->layout.elementBytes());
    if (found == notFound)
      return;
    const std::lock_guard lock(mutex);
    bad = std::min(bad, {i, found});
  });
  return bad.second == notFound ? Status()
                                : notFinite(all[bad.first].fill->source, bad.second,
                                            all[bad.first].fill->layout.count(), all[bad.first].fill->dtype);
}

/// A contiguous piece of one buffer, and the fills whose bytes lie in it.
struct Region {
  uint32_t buffer = 0;
  uint64_t begin = 0, end = 0;
  std::vector<const Fill *> fills;
};

std::vector<Region> regionsOf(std::vector<const Fill *> fills) {
  std::sort(fills.begin(), fills.end(), [](const Fill *a, const Fill *b) {
    return std::pair(a->buffer, a->layout.begin()) < std::pair(b->buffer, b->layout.begin()); // as in shares
  });
  std::vector<Region> regions;
  for (const Fill *fill : fills) {
    const plan::Share &share = fill->share;
    uint64_t begin = std::max(fill->layout.begin(), share.begin), end = std::min(fill->layout.end(), share.end);
    if (begin >= end)
      continue;
    begin = share.inBuffer(begin), end = share.inBuffer(end);
    if (regions.empty() || regions.back().buffer != fill->buffer || begin >= regions.back().end)
      regions.push_back({fill->buffer, begin, end, {}});
    regions.back().end = std::max(regions.back().end, end);
    regions.back().fills.push_back(fill);
  }
  return regions;
}

/// Regions [from, to) are built in `image`, one behind the other, and handed over.
Status sendRegions(const std::vector<Region> &regions, size_t from, size_t to, std::span<std::byte> image,
                   const LoadTarget &target, uint32_t threads) {
  std::vector<Placed> placed;
  uint64_t at = 0;
  for (size_t i = from; i < to; ++i) {
    for (const Fill *fill : regions[i].fills)
      placed.push_back({fill, image.data() + at, regions[i].begin});
    at += regions[i].end - regions[i].begin;
  }
  std::memset(image.data(), 0, at);
  FT_RETURN_IF_ERROR(fillAll(placed, target, threads));
  at = 0;
  for (size_t i = from; i < to; ++i) {
    uint64_t bytes = regions[i].end - regions[i].begin;
    FT_RETURN_IF_ERROR(target.sink(regions[i].buffer, regions[i].begin, image.subspan(at, bytes)));
    at += bytes;
  }
  return {};
}

Status sendAll(const std::vector<Region> &regions, const LoadTarget &target, uint32_t threads) {
  // Below the least, starting threads per image would cost more than pinned memory saves.
  constexpr uint64_t leastStaging = 1 << 20, ownStaging = 64 << 20;
  std::span<std::byte> staging = target.staging.size() < leastStaging ? std::span<std::byte>() : target.staging;
  uint64_t room = staging.empty() ? ownStaging : staging.size();
  std::vector<std::byte> own;
  for (size_t from = 0; from < regions.size();) {
    uint64_t bytes = regions[from].end - regions[from].begin;
    size_t to = from + 1;
    while (to < regions.size() && bytes + (regions[to].end - regions[to].begin) <= room) {
      bytes += regions[to].end - regions[to].begin;
      ++to;
    }
    std::span<std::byte> image = staging;
    if (bytes > image.size()) {
      own.resize(std::max<uint64_t>(own.size(), bytes));
      image = own;
    }
    FT_RETURN_IF_ERROR(sendRegions(regions, from, to, image, target, threads));
    from = to;
  }
  return {};
}

} // namespace

Status notFinite(const std::string &source, uint64_t element, uint64_t count, plan::DType dtype) {
  return badInput(
      fmt::format("{}: element {} of {} is not finite (NaN or infinity) as {}; nothing can be trained on it: "
                  "copy or download the file again, or use another",
                  source, element, count, dtypeName(dtype)));
}

Producer fileProducer(const TensorView &view, plan::DType dtype, uint32_t ropeHeads) {
  if (ropeHeads == 0)
    return [&view, dtype](uint64_t first, uint64_t count, std::byte *out) {
      convertElements(view, first, count, dtype, out);
    };
  uint64_t rows = view.shape.empty() ? 1 : view.shape[0];
  uint64_t rowElements = elementCount(view.shape) / rows, perHead = rows / ropeHeads;
  return [&view, dtype, rowElements, perHead](uint64_t first, uint64_t count, std::byte *out) {
    uint64_t bytes = dtypeBytes(dtype);
    while (count > 0) {
      uint64_t row = first / rowElements, column = first % rowElements;
      uint64_t n = std::min(rowElements - column, count);
      uint64_t inHead = row % perHead, half = inHead / (perHead / 2), pair = inHead % (perHead / 2);
      uint64_t fileRow = row - inHead + 2 * pair + half;
      convertElements(view, fileRow * rowElements + column, n, dtype, out);
      out += n * bytes;
      first += n;
      count -= n;
    }
  };
}

Producer shiftedProducer(const TensorView &view, plan::DType dtype, double offset) {
  return [&view, dtype, offset](uint64_t first, uint64_t count, std::byte *out) {
    std::vector<double> numbers(count);
    convertElements(view, first, count, plan::F64, reinterpret_cast<std::byte *>(numbers.data()));
    for (double &number : numbers)
      number += offset;
    TensorView shifted;
    shifted.encoding = Encoding::F64;
    shifted.shape = {count};
    shifted.bytes = std::as_bytes(std::span(numbers));
    convertElements(shifted, 0, count, dtype, out);
  };
}

Status runFills(const std::vector<Fill> &fills, const LoadTarget &target, uint32_t threads) {
  std::vector<Placed> direct;
  std::vector<const Fill *> others;
  for (const Fill &fill : fills) {
    std::byte *base = target.hostBuffer ? target.hostBuffer(fill.buffer) : nullptr;
    if (base)
      direct.push_back({&fill, base, 0});
    else
      others.push_back(&fill);
  }
  if (!others.empty() && !target.sink)
    return failed(fmt::format(
        "{} tensors lie in buffers that the host cannot write, and there is no way to upload them", others.size()));
  FT_RETURN_IF_ERROR(fillAll(direct, target, threadCount(threads)));
  return sendAll(regionsOf(others), target, threadCount(threads));
}

} // namespace ft::rt
