#include "runtime/Communication/Progress.h"

#include "runtime/Communication/Trail.h"

#include <algorithm>
#include <fmt/format.h>

using namespace ft;
using namespace ft::rt;

void Progress::beginStep(uint64_t number) {
  step.store(number, std::memory_order_relaxed);
  move();
}

void Progress::enter(plan::Segment::Kind kind) {
  entered = now();
  waitedMs = 0;
  name.store(nullptr, std::memory_order_relaxed);
  segment.store(kind, std::memory_order_relaxed);
  move();
}

void Progress::leave() {
  const size_t kind = size_t(segment.load(std::memory_order_relaxed)) % kinds;
  const double own = since(entered) - waitedMs;
  sums[kind].own += own, sums[kind].exposed += waitedMs;
  longest[kind].store(std::max(own, longest[kind].load(std::memory_order_relaxed)), std::memory_order_relaxed);
  segment.store(plan::Segment::KIND_UNSPECIFIED, std::memory_order_relaxed);
  move();
}

void Progress::at(const std::string &stepName) {
  name.store(&stepName, std::memory_order_relaxed);
  move();
}

void Progress::follow(const Trail *device) {
  std::lock_guard lock(following);
  trail = device;
}

Progress::Place Progress::place() const {
  Place place;
  place.step = step.load(std::memory_order_relaxed);
  place.segment = segment.load(std::memory_order_relaxed);
  if (const std::string *at = name.load(std::memory_order_relaxed))
    place.name = *at;
  place.loads = loads.load(std::memory_order_relaxed);
  place.waits = waits.load(std::memory_order_relaxed) > 0;
  place.ordinal = ordinal.load(std::memory_order_relaxed);
  std::lock_guard lock(following);
  return trail ? trail->place(place) : place;
}

Progress::Wait::Wait(Progress *progress) : progress(progress) {
  if (progress && progress->waits.fetch_add(1, std::memory_order_relaxed) == 0)
    start = progress->now();
}

Progress::Wait::~Wait() {
  if (!progress)
    return;
  progress->move();
  if (progress->waits.fetch_sub(1, std::memory_order_relaxed) == 1)
    progress->waitedMs += progress->since(start);
}

void Progress::Loading::set(bool loads) {
  if (!progress)
    return;
  progress->loads.store(loads, std::memory_order_relaxed);
  progress->move();
}

std::string ft::rt::describe(const Progress::Place &place) {
  std::string text = place.step ? fmt::format("step {}", place.step) : "before the first step";
  if (place.loads)
    text += ", loading weights";
  else if (place.segment != plan::Segment::KIND_UNSPECIFIED)
    text += fmt::format(", segment {}", plan::Segment::Kind_Name(plan::Segment::Kind(place.segment)));
  else
    text += ", between segments";
  if (place.onDevice && !place.name.empty())
    text += fmt::format(", {} {}", place.waits ? "in" : "behind", place.name);
  else if (!place.name.empty())
    text += fmt::format(", at \"{}\"", place.name);
  return text;
}
