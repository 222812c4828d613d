#include "runtime/Weights/Send.h"

#include "runtime/Support/Parallel.h"
#include "runtime/Weights/ReadAhead.h"
#include "runtime/Weights/SlotQueue.h"

#include <cstring>

namespace ft::rt {

namespace {

/// A contiguous piece of one buffer, and the fills whose bytes lie in it.
struct Region {
  uint32_t buffer = 0;
  uint64_t begin = 0, end = 0;
  std::vector<const Fill *> fills;
};

/// What of a fill's range lies in bytes [begin, end) of its buffer, made at `base` on.
Placed placedIn(const Fill &fill, uint64_t begin, uint64_t end, std::byte *base) {
  const uint64_t shift = fill.share.begin - fill.share.at; // may wrap, and does so back
  return {&fill, base, begin + shift, end + shift, /*isReadSoon=*/false};
}

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

/// Whether a region may be cut where its elements end: all lie at multiples of their size, and in their order.
bool isDivisible(const Region &region) {
  return std::all_of(region.fills.begin(), region.fills.end(), [](const Fill *fill) {
    return fill->layout.isAscending() && fill->share.inBuffer(fill->layout.begin()) % fill->layout.elementBytes() == 0;
  });
}

/// Whether each byte of it is one of a tensor's.
bool isCovered(const Region &region) {
  return region.fills.size() == 1 && region.fills[0]->layout.runElements() == region.fills[0]->layout.count();
}

/// Bytes [begin, end) of a region's buffer, which lie in a slot from byte `at` on.
struct Part {
  const Region *region;
  uint64_t begin, end, at;
};
using Load = std::vector<Part>; ///< what one slot takes

/// Where in files a part is read, for all of its fills.
ReadAhead::Parts readsOf(const Part &part) {
  ReadAhead::Parts reads;
  for (const Fill *fill : part.region->fills) {
    const Placed placed = placedIn(*fill, part.begin, part.end, nullptr);
    const auto [first, last] = fill->layout.elementsIn(placed.begin, placed.end);
    reads.push_back(fill->produce.fileBytes(first, last - first));
  }
  return reads;
}

/// Slots are filled one behind the other; cuts lie at multiples of `grain`.
std::vector<Load> loadsOf(const std::vector<Region> &regions, uint64_t slotBytes) {
  constexpr uint64_t grain = 256;
  std::vector<Load> loads;
  uint64_t used = slotBytes;
  for (const Region &region : regions)
    for (uint64_t begin = region.begin; begin < region.end;) {
      if (used == slotBytes || (slotBytes - used < region.end - begin && slotBytes - used < slotBytes / 4))
        loads.emplace_back(), used = 0;
      uint64_t end = std::min(region.end, begin + (slotBytes - used));
      if (end < region.end)
        end = end / grain * grain;
      loads.back().push_back({&region, begin, end, used});
      used = std::min(slotBytes, (used + (end - begin) + grain - 1) / grain * grain);
      begin = end;
    }
  return loads;
}

/// Zeros in bytes [begin, end) of a part's buffer, made at `base` on, but for the long runs of its fills: of a bordered
/// weight these are nearly all. What else its fills make is written over the zeros.
void zeroBetween(const Part &part, std::byte *base) {
  constexpr uint64_t longRun = 64;
  std::vector<std::pair<std::byte *, std::byte *>> runs;
  for (const Fill *fill : part.region->fills) {
    if (fill->layout.runElements() < longRun)
      continue;
    const Placed placed = placedIn(*fill, part.begin, part.end, base);
    const auto [first, last] = fill->layout.elementsIn(placed.begin, placed.end);
    fill->layout.forRuns(first, last - first, [&](uint64_t offset, uint64_t, uint64_t n) {
      const uint64_t begin = std::max(offset, placed.begin),
                     end = std::min(offset + n * fill->layout.elementBytes(), placed.end);
      if (begin < end)
        runs.emplace_back(base + (begin - placed.begin), base + (end - placed.begin));
    });
  }
  std::sort(runs.begin(), runs.end());
  std::byte *const end = base + (part.end - part.begin);
  runs.emplace_back(end, end);
  for (const auto &[runBegin, runEnd] : runs) {
    if (base < runBegin)
      std::memset(base, 0, size_t(runBegin - base));
    base = std::max(base, runEnd);
  }
}

uint64_t make(const Part &part, std::byte *slot, FirstBad &bad) {
  std::byte *base = slot + part.at;
  if (!isCovered(*part.region))
    zeroBetween(part, base);
  uint64_t made = 0;
  for (const Fill *fill : part.region->fills) {
    Placed placed = placedIn(*fill, part.begin, part.end, base);
    placed.isReadSoon = true;
    const auto [first, last] = fill->layout.elementsIn(placed.begin, placed.end);
    made += fillElements(placed, first, last - first, bad);
  }
  return made;
}

/// One region, in memory of its own.
Status sendWhole(const Region &region, const LoadTarget &target, uint32_t threads, FirstBad &bad) {
  std::vector<std::byte> image(region.end - region.begin);
  std::vector<Placed> placed;
  for (const Fill *fill : region.fills)
    placed.push_back(placedIn(*fill, region.begin, region.end, image.data()));
  fillAll(placed, target, threads, bad);
  return target.send(region.buffer, region.begin, image);
}

Status sendLoads(const std::vector<Load> &loads, SlotQueue &slots, const LoadTarget &target, uint32_t threads,
                 FirstBad &bad) {
  std::vector<ReadAhead::Parts> reads;
  for (const Load &load : loads) {
    reads.emplace_back();
    for (const Part &part : load)
      for (const std::span<const std::byte> read : readsOf(part))
        reads.back().push_back(read);
  }
  ReadAhead ahead(std::move(reads));
  return slots.run(threads, loads.size(),
                   [&](uint64_t load, std::byte *slot) {
                     const ReadAhead::Reading reading = ahead.begin(load);
                     uint64_t made = 0;
                     for (const Part &part : loads[load])
                       made += make(part, slot, bad);
                     if (target.made)
                       target.made(made);
                   },
                   {[&](uint64_t load, std::byte *slot) -> Status {
                      for (const Part &part : loads[load])
                        FT_RETURN_IF_ERROR(target.sink(part.region->buffer, part.begin,
                                                       std::span(slot + part.at, part.end - part.begin)));
                      return {};
                    },
                    [&](uint32_t slot) { return target.mark ? target.mark(slot) : Status(); },
                    [&](uint32_t slot) {
                      return target.mark ? target.reached(slot) : target.arrived ? target.arrived() : Status();
                    }});
}

} // namespace

Status sendFills(const std::vector<const Fill *> &fills, const LoadTarget &target, uint32_t threads, FirstBad &bad) {
  std::vector<Region> regions = regionsOf(fills);
  const auto whole =
      std::stable_partition(regions.begin(), regions.end(), [](const Region &region) { return isDivisible(region); });
  for (auto region = whole; region != regions.end(); ++region)
    FT_RETURN_IF_ERROR(sendWhole(*region, target, threads, bad));
  regions.erase(whole, regions.end());
  if (regions.empty())
    return {};
  SlotQueue slots(target.staging);
  std::vector<Load> loads = loadsOf(regions, slots.slotBytes());
  const auto inFile = [](const Load &load) { return readsOf(load.front()).front().data(); };
  std::stable_sort(loads.begin(), loads.end(),
                   [&](const Load &a, const Load &b) { return std::less<>()(inFile(a), inFile(b)); });
  return sendLoads(loads, slots, target, threads, bad);
}

} // namespace ft::rt
