#include "runtime/Program/StepTimer.h"

#include "runtime/Plan/Kinds.h"
#include "runtime/Program/Steps.h"
#include "runtime/Support/Strings.h"

#include <fmt/format.h>

#include <algorithm>

using namespace ft;
using namespace ft::rt;

uint32_t StepTimer::eventsNeeded(const plan::Plan &plan) {
  int most = 0;
  for (const plan::Segment &segment : plan.segments())
    most = std::max(most, segment.steps_size());
  return 2 * static_cast<uint32_t>(most);
}

StepTimer::StepTimer(const plan::Plan &source, std::vector<const plan::Step *> enqueued, uint32_t firstEvent,
                     Profile &into)
    : plan(&source), steps(std::move(enqueued)), profile(&into) {
  Before behind;
  auto &[arrivals, ends] = behind;
  uint32_t next = firstEvent;
  for (const plan::Step *step : steps) {
    // A step that waits for another stream begins when that wait is over, not when the step before it ended.
    const auto before = ends.find(step->stream());
    const bool stampsBegin = before == ends.end() || step->wait_size() > 0;
    const uint32_t from = stampsBegin ? next++ : before->second;
    Span span{from, next, stampsBegin};
    findExposed(span, *step, behind);
    spans.push_back(std::move(span));
    ends[step->stream()] = next++;
    arrivals.erase(step->record());
    if (step->has_collective() && step->record())
      arrivals[step->record()] = plan::Collective::Kind_Name(step->collective().kind());
  }
}

void StepTimer::findExposed(Span &span, const plan::Step &step, const Before &before) {
  if (step.stream() != 0)
    return;
  for (const uint32_t event : step.wait())
    if (const auto arrival = before.arrivals.find(event); arrival != before.arrivals.end())
      span.collective = arrival->second;
  const auto end = before.ends.find(0);
  span.idle = end == before.ends.end() || span.collective.empty() ? span.from : end->second;
  span.ready = step.has_collective() ? span.to : span.from;
  if (step.has_collective())
    span.collective = plan::Collective::Kind_Name(step.collective().kind());
}

Status StepTimer::begin(size_t index, Device &device) const {
  return spans[index].stampsBegin ? device.stamp(steps[index]->stream(), spans[index].from) : Status();
}

Status StepTimer::end(size_t index, Device &device) const {
  return device.stamp(steps[index]->stream(), spans[index].to);
}

static std::string detailOf(const plan::Step &step, const plan::Plan &plan) {
  if (const plan::Launch *launch = plan::launchOf(step))
    return plan.kernels(static_cast<int>(launch->kernel())).name();
  if (!step.has_gemm())
    return ofAllLayers(step.name());
  const plan::Gemm &gemm = step.gemm();
  return fmt::format("{}{}x{}x{}", gemm.batch() > 1 ? fmt::format("{} of ", gemm.batch()) : "", gemm.m(), gemm.n(),
                     gemm.k());
}

Status StepTimer::collect(Device &device) const {
  FT_RETURN_IF_ERROR(device.synchronize());
  for (size_t i = 0; i < steps.size(); ++i) {
    const plan::Step &step = *steps[i];
    FT_ASSIGN_OR_RETURN(const double ms, device.elapsedMs(spans[i].from, spans[i].to));
    const std::string kind = plan::stepKindName(step);
    for (const std::string &key : {kind, kind + "/" + detailOf(step, *plan)}) {
      ProfileEntry &entry = (*profile)[key];
      entry.ms += ms;
      entry.flops += step.flops();
      entry.bytes += step.bytes();
      entry.predictedMs += step.predicted_us() * 1e-3;
      ++entry.calls;
    }
    if (spans[i].idle == spans[i].ready || spans[i].collective.empty())
      continue;
    FT_ASSIGN_OR_RETURN(const double waited, device.elapsedMs(spans[i].idle, spans[i].ready));
    const std::string exposed = "exposed/" + spans[i].collective;
    for (const std::string &key : {exposed, exposed + " before " + ofAllLayers(step.name())}) {
      ProfileEntry &entry = (*profile)[key];
      entry.ms += waited;
      ++entry.calls;
    }
  }
  return {};
}
