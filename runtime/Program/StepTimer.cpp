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
  std::map<uint32_t, uint32_t> ends; // of the last step of each stream
  uint32_t next = firstEvent;
  for (const plan::Step *step : steps) {
    // A step that waits for another stream begins when that wait is over, not when the step before it ended.
    const auto before = ends.find(step->stream());
    const bool stampsBegin = before == ends.end() || step->wait_size() > 0;
    const uint32_t from = stampsBegin ? next++ : before->second;
    spans.push_back({from, next, stampsBegin});
    ends[step->stream()] = next++;
  }
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
  }
  return {};
}
