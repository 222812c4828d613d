#include "runtime/Plan/Timeline.h"

#include "runtime/Plan/ByteRegion.h"
#include "runtime/Plan/Kinds.h"

#include <algorithm>
#include <vector>

using namespace ft;
using namespace ft::rt;

namespace {
struct Interval {
  double begin = 0, end = 0;
};

struct Exchange {
  plan::Collective::Kind kind;
  Interval when;
  uint64_t bytes = 0;
};

/// The steps of one segment, laid along its streams.
class SegmentTimeline {
public:
  SegmentTimeline(const plan::Plan &plan, const plan::Segment &segment)
      : target(plan.target()), streams(size_t(std::max(plan.streams_size(), 1))), events(plan.event_count() + 1) {
    for (const plan::Step &step : segment.steps())
      add(step);
  }

  /// Added to `sum`, `times` times.
  void addTo(Timeline &sum, double times) const {
    const double all = *std::max_element(streams.begin(), streams.end());
    sum.us += times * all;
    sum.hostUs += times * hostUs;
    sum.hostExposedUs += hostUs > 0 ? times * std::max(0.0, all - computingUs) : 0;
    double waiting = all - firstUs; // of the stream that computes
    for (const Exchange &exchange : exchanges) {
      Exchanges &of = sum.exchanges[exchange.kind];
      const double us = exchange.when.end - exchange.when.begin, alone = exposed(exchange.when);
      const double taken = (us - alone) * takes(exchange.kind);
      of.number += uint64_t(times);
      of.bytes += uint64_t(times) * exchange.bytes;
      of.us += times * us;
      of.exposedUs += times * alone;
      of.takenUs += times * taken;
      sum.us += times * taken;
      waiting -= alone;
    }
    if (hostUs == 0 && besideUs > 0) {
      sum.parkedUs += times * besideUs;
      sum.parkedExposedUs += times * std::max(0.0, waiting);
    }
  }

private:
  void add(const plan::Step &step) {
    double &stream = streams[step.stream()];
    Interval when{stream, 0};
    for (const uint32_t event : step.wait())
      when.begin = std::max(when.begin, events[event]);
    stream = when.end = when.begin + step.predicted_us();
    events[step.record()] = when.end;
    (step.has_host_launch()                     ? hostUs
     : step.has_copy() || step.has_collective() ? movingUs
                                                : computingUs) += step.predicted_us();
    firstUs += step.stream() == 0 ? step.predicted_us() : 0;
    besideUs += step.has_copy() && step.stream() != 0 ? step.predicted_us() : 0;
    if (!step.has_collective())
      return works.push_back(when);
    Exchange &exchange = exchanges.emplace_back(Exchange{step.collective().kind(), when});
    for (const plan::Operand &whole : step.collective().whole())
      exchange.bytes += whole.row_bytes() * std::max<uint64_t>(whole.rows(), 1);
  }

  /// To reduce everywhere is to reduce a share, and to copy the others'.
  double takes(plan::Collective::Kind kind) const {
    switch (kind) {
    case plan::Collective::REDUCE_SCATTER:
      return target.reduction_takes();
    case plan::Collective::ALL_REDUCE:
      return (target.reduction_takes() + target.gather_takes()) / 2;
    default:
      return target.gather_takes();
    }
  }

  /// What of an exchange no work covers. Work on one stream comes in its order; streams are few, so overlaps of work
  /// with work are of no account.
  double exposed(const Interval &exchange) const {
    double left = exchange.end - exchange.begin;
    for (const Interval &work : works)
      left -= std::max(0.0, std::min(work.end, exchange.end) - std::max(work.begin, exchange.begin));
    return std::max(left, 0.0);
  }

  const plan::Target &target;
  std::vector<double> streams, events;              // where each has come; event 0 is none
  double hostUs = 0, computingUs = 0, movingUs = 0; // of steps
  double firstUs = 0, besideUs = 0;                 // of steps on the first stream, of copies on others
  std::vector<Exchange> exchanges;
  std::vector<Interval> works;
};
} // namespace

Exchanges Timeline::allExchanges() const {
  Exchanges sum;
  for (const auto &[kind, of] : exchanges)
    sum = {sum.number + of.number, sum.bytes + of.bytes, sum.us + of.us, sum.exposedUs + of.exposedUs,
           sum.takenUs + of.takenUs};
  return sum;
}

static Timeline timelineOf(const plan::Plan &plan, uint64_t (*runs)(const plan::Plan &, plan::Segment::Kind)) {
  Timeline sum;
  for (const plan::Segment &segment : plan.segments())
    if (const uint64_t times = runs(plan, segment.kind()))
      SegmentTimeline(plan, segment).addTo(sum, double(times));
  return sum;
}

uint64_t ft::rt::runsPerTargetsStep(const plan::Plan &plan, plan::Segment::Kind kind) {
  if (plan::has(plan, plan::targetsKindOf(kind)))
    return 0;
  return plan::runsPerStep(plan, plan::wholeKindOf(kind));
}

Timeline ft::rt::timelineOf(const plan::Plan &plan) { return ::timelineOf(plan, plan::runsPerStep); }

Timeline ft::rt::timelineOfTargets(const plan::Plan &plan) { return ::timelineOf(plan, runsPerTargetsStep); }
