#include "runtime/Program/ExchangeTimer.h"

#include <algorithm>
#include <set>

using namespace ft;
using namespace ft::rt;

uint32_t ExchangeTimer::eventsNeeded(const plan::Segment &segment) {
  return 2 + 2 * static_cast<uint32_t>(segment.steps_size());
}

ExchangeTimer::ExchangeTimer(const plan::Segment &segment, const std::vector<const plan::Step *> &steps,
                             uint32_t firstEvent)
    : first(firstEvent), last(firstEvent + 1) {
  std::set<uint32_t> arrivals; // events of collectives
  for (const plan::Step &step : segment.steps())
    if (step.has_collective() && step.record())
      arrivals.insert(step.record());
  uint32_t next = firstEvent + 2;
  for (const plan::Step *step : steps) {
    Span span;
    const bool waits =
        std::any_of(step->wait().begin(), step->wait().end(), [&](uint32_t event) { return arrivals.contains(event); });
    if (step->stream() == 0 && step->has_collective())
      span.beginWait = next++, span.endWork = next++;
    else if (step->stream() == 0 && waits)
      span.beginWait = next++, span.endWait = next++;
    spans.push_back(span);
  }
}

Expected<Progress::Times> ExchangeTimer::read(Device &device) const {
  Progress::Times times;
  FT_ASSIGN_OR_RETURN(const double whole, device.elapsedMs(first, last));
  for (const Span &span : spans)
    if (span.beginWait) {
      FT_ASSIGN_OR_RETURN(const double ms, device.elapsedMs(span.beginWait, std::max(span.endWait, span.endWork)));
      times.exposed += ms;
    }
  times.own = std::max(0.0, whole - times.exposed);
  return times;
}
