#include "runtime/Plan/LiveRegions.h"

#include <algorithm>

namespace ft::rt {

void LiveRegions::Table::add(const Touch &touch, uint64_t time) {
  uint32_t id = uint32_t(records.size());
  if (spare.empty())
    records.emplace_back();
  else
    id = spare.back(), spare.pop_back();
  records[id] = {touch, time, false};
  index.insert(touch.region.start, touch.region.end(), id);
}

void LiveRegions::Table::drop(uint32_t id) {
  index.erase(records[id].touch.region.start, id);
  spare.push_back(id);
}

/// Ids of the records whose hull touches the region's hull; valid until the next call. None once the budget is
/// exhausted.
std::vector<uint32_t> &LiveRegions::touching(const Table &table, const ByteRegion &region) {
  found.clear();
  if (!budget.exhausted())
    table.index.visit(region.start, region.end(), [&](uint32_t id) { found.push_back(id); });
  budget.spend(int64_t(found.size()));
  return found;
}

std::optional<Conflict> LiveRegions::checkRead(const Touch &touch) {
  std::vector<uint32_t> &ids = touching(writes, touch.region);
  std::sort(ids.begin(), ids.end(),
            [&](uint32_t a, uint32_t b) { return writes.records[a].time > writes.records[b].time; });
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
std::optional<Conflict> LiveRegions::checkOrder(Table &table, const Touch &touch, Conflict::Kind kind) {
  for (uint32_t id : touching(table, touch.region)) {
    const Touch &other = table.records[id].touch;
    const bool hidden = contains(touch.region, other.region);
    if (!hidden && !intersects(touch.region, other.region, budget))
      continue;
    if (!ordered(context, other, touch))
      return Conflict{kind, other, touch.region};
    if (hidden)
      table.drop(id);
  }
  return std::nullopt;
}

std::optional<Conflict> LiveRegions::checkWrite(const Touch &touch) {
  if (auto conflict = checkOrder(writes, touch, Conflict::OverwritesWrite))
    return conflict;
  return checkOrder(reads, touch, Conflict::OverwritesRead);
}

void LiveRegions::addRead(const Touch &touch) {
  // Whoever waits for this read waits for the earlier ones of its stream as well.
  for (uint32_t id : touching(reads, touch.region)) {
    const Touch &other = reads.records[id].touch;
    if (other.stream == touch.stream && contains(touch.region, other.region))
      reads.drop(id);
  }
  reads.add(touch, ++now);
}

void LiveRegions::addWrite(const Touch &touch) { writes.add(touch, ++now); }

void LiveRegions::rename(const ByteRegion &region, uint32_t buffer, uint32_t from, uint32_t to) {
  for (uint32_t id : touching(writes, region)) {
    Touch &touch = writes.records[id].touch;
    if (touch.buffer == buffer && touch.version == from)
      touch.version = to, touch.writtenAs = from;
  }
}

void LiveRegions::forgetReads() {
  reads.records.clear();
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
