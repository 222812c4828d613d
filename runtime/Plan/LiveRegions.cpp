#include "runtime/Plan/LiveRegions.h"

#include <algorithm>

namespace ft::rt {

void LiveRegions::Table::add(const Touch &touch, uint64_t time, uint64_t hides, std::optional<uint32_t> instead) {
  if (instead) {
    records[*instead] = {touch, time, hides, false};
    return;
  }
  uint32_t id = uint32_t(records.size());
  if (spare.empty())
    records.emplace_back(), lanes.emplace_back();
  else
    id = spare.back(), spare.pop_back();
  records[id] = {touch, time, hides, false};
  lanes[id] = Lanes(touch.region);
  index.insert(touch.region.start, touch.region.end(), id);
}

void LiveRegions::Table::drop(uint32_t id) {
  index.erase(records[id].touch.region.start, id);
  spare.push_back(id);
}

void LiveRegions::Table::cover(uint32_t id, const Touch &touch, std::optional<uint32_t> &instead) {
  if (!instead && records[id].touch.region == touch.region)
    instead = id;
  else
    drop(id);
}

/// Ids of the records that may share bytes with the region: their hulls do, and no column tells them apart; valid
/// until the next call. None once the budget is exhausted.
std::vector<uint32_t> &LiveRegions::touching(const Table &table, const ByteRegion &region) {
  found.clear();
  const Lanes lanes(region);
  int64_t seen = 0;
  if (!budget.exhausted())
    table.index.visit(region.start, region.end(), [&](uint32_t id) {
      ++seen;
      if (!lanes.apartFrom(table.lanes[id]))
        found.push_back(id);
    });
  budget.spend(seen);
  return found;
}

/// Whether `touch` may read what `record` has left.
bool LiveRegions::isRead(const Record &record, const Touch &touch) const {
  return !record.dead && record.touch.buffer == touch.buffer && record.touch.version == touch.version &&
         ordered(context, record.touch, touch);
}

/// Whether the latest of `ids`, which come first, are disjoint, all to be read, and all of the region. False: unknown.
bool LiveRegions::countsAll(const std::vector<uint32_t> &ids, const Touch &touch) {
  int64_t missing = touch.region.bytes();
  uint64_t hides = 0;
  for (const uint32_t id : ids) {
    const Record &record = writes.records[id];
    const int64_t bytes = sharedBytes(record.touch.region, touch.region, budget);
    if (bytes == 0)
      continue;
    hides = std::max(hides, record.hides);
    missing -= bytes;
    if (hides >= record.time || missing < 0 || !isRead(record, touch))
      return false;
    if (missing == 0)
      return true;
  }
  return false;
}

std::optional<Conflict> LiveRegions::checkRead(const Touch &touch) {
  std::vector<uint32_t> &ids = touching(writes, touch.region);
  std::sort(ids.begin(), ids.end(),
            [&](uint32_t a, uint32_t b) { return writes.records[a].time > writes.records[b].time; });
  if (countsAll(ids, touch))
    return std::nullopt;
  // From the latest write back: each explains its bytes of what is left, and must be the right one.
  pieces.assign(1, touch.region);
  for (uint32_t id : ids) {
    const Record &record = writes.records[id];
    auto hit = std::find_if(pieces.begin(), pieces.end(),
                            [&](const ByteRegion &piece) { return intersects(piece, record.touch.region, budget); });
    if (hit == pieces.end())
      continue;
    if (record.dead)
      return Conflict{Conflict::Undefined, record.touch, *hit};
    if (record.touch.buffer != touch.buffer || record.touch.version != touch.version)
      return Conflict{Conflict::WrongValue, record.touch, *hit};
    if (!ordered(context, record.touch, touch))
      return Conflict{Conflict::ReadRace, record.touch, *hit};
    rest.clear();
    for (const ByteRegion &piece : pieces)
      subtract(piece, record.touch.region, rest, budget);
    pieces.swap(rest);
    if (pieces.empty())
      return std::nullopt;
  }
  return Conflict{Conflict::Undefined, touch, pieces.front()};
}

/// A later access needs order against `touch` alone where `touch` covers a record whole, since `touch` comes after it.
std::optional<Conflict> LiveRegions::checkOrder(Table &table, const Touch &touch, Conflict::Kind kind,
                                                Earlier &earlier) {
  for (uint32_t id : touching(table, touch.region)) {
    const Touch &other = table.records[id].touch;
    const bool hidden = contains(touch.region, other.region);
    if (!hidden && !intersects(touch.region, other.region, budget))
      continue;
    if (!ordered(context, other, touch))
      return Conflict{kind, other, touch.region};
    if (hidden)
      table.cover(id, touch, earlier.instead);
    else
      earlier.hides = std::max(earlier.hides, table.records[id].time);
  }
  return std::nullopt;
}

std::optional<Conflict> LiveRegions::write(const Touch &touch) {
  Earlier written, read;
  if (auto conflict = checkOrder(writes, touch, Conflict::OverwritesWrite, written))
    return conflict;
  if (auto conflict = checkOrder(reads, touch, Conflict::OverwritesRead, read))
    return conflict;
  if (read.instead)
    reads.drop(*read.instead);
  writes.add(touch, ++now, written.hides, written.instead);
  return std::nullopt;
}

void LiveRegions::addRead(const Touch &touch) {
  // Whoever waits for this read waits for the earlier ones of its stream as well. Between thin columns lies what others
  // read; there only one that begins where this one does is looked for: the same again, or fewer rows of it.
  found.clear();
  const Lanes lanes(touch.region);
  const int64_t start = touch.region.start, end = touch.region.end();
  const bool isThin = 4 * touch.region.bytes() < end - start;
  int64_t seen = 0;
  reads.index.visitBegun(start, isThin ? start + 1 : end, [&](uint32_t id) {
    ++seen;
    if (lanes.apartFrom(reads.lanes[id]))
      return;
    const Touch &other = reads.records[id].touch;
    if (other.stream == touch.stream && contains(touch.region, other.region))
      found.push_back(id);
  });
  budget.spend(seen);
  std::optional<uint32_t> instead;
  for (const uint32_t id : found)
    reads.cover(id, touch, instead);
  reads.add(touch, ++now, 0, instead);
}

/// It may hide whatever came before: nobody looks.
void LiveRegions::fill(const Touch &touch) {
  const uint64_t before = now;
  writes.add(touch, ++now, before, std::nullopt);
}

void LiveRegions::rename(const ByteRegion &region, uint32_t buffer, uint32_t from, uint32_t to) {
  for (uint32_t id : touching(writes, region)) {
    Touch &touch = writes.records[id].touch;
    if (touch.buffer == buffer && touch.version == from)
      touch.version = to, touch.writtenAs = from;
  }
}

void LiveRegions::forgetReads() {
  reads.records.clear();
  reads.lanes.clear();
  reads.spare.clear();
  reads.index.clear();
}

void LiveRegions::forgetValues(const std::vector<bool> &dead) {
  std::vector<bool> present(writes.records.size(), true);
  for (uint32_t id : writes.spare)
    present[id] = false;
  for (uint32_t id = 0; id < present.size(); ++id)
    if (present[id] && dead[writes.records[id].touch.buffer])
      writes.records[id].dead = true;
  // A dead record that hides nothing but dead ones need not stay.
  for (uint32_t id = 0; id < present.size(); ++id) {
    if (!present[id] || !writes.records[id].dead)
      continue;
    const ByteRegion region = writes.records[id].touch.region;
    const std::vector<uint32_t> &ids = touching(writes, region);
    if (std::all_of(ids.begin(), ids.end(), [&](uint32_t other) { return writes.records[other].dead; }))
      writes.drop(id);
  }
}

} // namespace ft::rt
