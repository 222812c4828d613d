#include "runtime/Program/HostTimer.h"

#include <algorithm>
#include <map>
#include <set>

using namespace ft;
using namespace ft::rt;

namespace {
bool onDevice(const plan::Plan &plan, const plan::Operand &operand) {
  const uint32_t arena = plan.buffers(static_cast<int>(operand.buffer())).arena();
  return plan.arenas(static_cast<int>(arena)).space() == plan::Arena::DEVICE;
}

uint64_t bytesOf(const plan::Operand &operand) {
  return operand.row_bytes() * std::max<uint64_t>(1, operand.rows()) * std::max<uint64_t>(1, operand.batch());
}

/// What the events of a segment tell, as far as it is enqueued: that the host is done with something, or a collective.
struct Arrivals {
  enum class Of : uint8_t { Device, Host, Exchange };
  std::map<uint32_t, Of> events;
  std::set<uint32_t> streams; ///< that have waited for the host's work, or done some, beside the device's computing

  bool any(const plan::Step &step, Of what) const {
    return std::any_of(step.wait().begin(), step.wait().end(), [&](uint32_t event) {
      const auto found = events.find(event);
      return found != events.end() && found->second == what;
    });
  }
  void add(const plan::Step &step, bool ofHost) {
    if (step.stream() != 0 && (ofHost || any(step, Of::Host)))
      streams.insert(step.stream());
    const bool behindHost = ofHost || streams.contains(step.stream());
    if (step.record())
      events[step.record()] = step.has_collective() ? Of::Exchange : behindHost ? Of::Host : Of::Device;
  }
};
} // namespace

HostTimes &HostTimes::add(const HostTimes &other, double times) {
  updates += times * other.updates;
  toHost += times * other.toHost, toDevice += times * other.toDevice;
  toHostBytes += static_cast<uint64_t>(times) * other.toHostBytes;
  toDeviceBytes += static_cast<uint64_t>(times) * other.toDeviceBytes;
  exposed += times * other.exposed;
  return *this;
}

HostTimer::Span HostTimer::spanOf(const plan::Plan &plan, const plan::Step &step) {
  Span span;
  span.stream = step.stream();
  if (step.has_host_launch())
    span.work = Work::Update;
  if (!step.has_copy())
    return span;
  const bool from = onDevice(plan, step.copy().src()), to = onDevice(plan, step.copy().dst());
  if (from != to) {
    span.work = from ? Work::ToHost : Work::ToDevice;
    span.bytes = bytesOf(step.copy().dst());
  }
  return span;
}

HostTimer::HostTimer(const plan::Plan &plan, const std::vector<const plan::Step *> &steps, uint32_t firstEvent)
    : next(firstEvent) {
  Arrivals arrivals;
  std::map<uint32_t, uint32_t> ends; // of the step that is last on a stream, where it is stamped
  for (const plan::Step *step : steps) {
    Span span = spanOf(plan, *step);
    const bool ofHost = span.work != Work::Other;
    if (span.stream == 0 && arrivals.any(*step, Arrivals::Of::Host) && !arrivals.any(*step, Arrivals::Of::Exchange))
      span.waits = next++;
    if (ofHost || span.waits) {
      uint32_t &end = ends[span.stream];
      span.stampsBegin = end == 0 || step->wait_size() > 0;
      span.begins = span.stampsBegin ? next++ : end;
    }
    span.ends = ends[span.stream] = ofHost ? next++ : 0;
    arrivals.add(*step, ofHost);
    spans.push_back(span);
  }
}

uint32_t HostTimer::eventsNeeded(const plan::Plan &plan, const plan::Segment &segment) {
  std::vector<const plan::Step *> steps;
  for (const plan::Step &step : segment.steps())
    steps.push_back(&step);
  return HostTimer(plan, steps, 1).next - 1;
}

static Status stamp(uint32_t stream, uint32_t event, Device &device) {
  return event ? device.stamp(stream, event) : Status();
}

Status HostTimer::beginWait(size_t index, Device &device) const {
  return stamp(spans[index].stream, spans[index].waits, device);
}

Status HostTimer::endWait(size_t index, Device &device) const {
  return spans[index].stampsBegin ? device.stamp(spans[index].stream, spans[index].begins) : Status();
}

Status HostTimer::endWork(size_t index, Device &device) const {
  return stamp(spans[index].stream, spans[index].ends, device);
}

Expected<HostTimes> HostTimer::read(Device &device) const {
  HostTimes times;
  for (const Span &span : spans) {
    if (span.waits) {
      FT_ASSIGN_OR_RETURN(const double waited, device.elapsedMs(span.waits, span.begins));
      times.exposed += waited;
    }
    if (span.work == Work::Other)
      continue;
    FT_ASSIGN_OR_RETURN(const double worked, device.elapsedMs(span.begins, span.ends));
    (span.work == Work::Update ? times.updates : span.work == Work::ToHost ? times.toHost : times.toDevice) += worked;
    times.toHostBytes += span.work == Work::ToHost ? span.bytes : 0;
    times.toDeviceBytes += span.work == Work::ToDevice ? span.bytes : 0;
    times.exposed += span.stream == 0 || device.hostAccessible() ? worked : 0;
  }
  return times;
}
