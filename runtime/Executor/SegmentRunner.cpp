#include "runtime/Executor/SegmentRunner.h"

#include <fmt/format.h>

#include <algorithm>

using namespace ft;
using namespace ft::rt;

namespace {
/// A graph starts and ends on stream 0, so what happens around it must be there as well.
Status checkExchangeStreams(const plan::Segment &segment) {
  for (const plan::Step &step : segment.steps())
    if ((step.has_receive() || step.has_emit()) && step.stream() != 0)
      return badInput(
          fmt::format("step {}: is on stream {}; a {} of a captured segment must be on stream 0: compile the "
                      "plan again",
                      step.name(), step.stream(), stepKindName(step)));
  return {};
}
} // namespace

Expected<SegmentRunner> SegmentRunner::create(const plan::Plan &plan, int index, const Arenas &arenas,
                                              const StagingArea &staging, Device &device) {
  const plan::Segment &segment = plan.segments(index);
  SegmentRunner runner(plan, index, device);
  for (int i = 0; i < segment.steps_size(); ++i) {
    const plan::Step &step = segment.steps(i);
    FT_ASSIGN_OR_RETURN(auto made, makeStep(plan, step, arenas, staging, device));
    if (step.has_receive()) {
      runner.receive.push_back(std::move(made));
      runner.receiveEvents.push_back(step.record());
    } else if (step.has_emit()) {
      runner.emit.push_back(std::move(made));
    } else {
      runner.body.push_back(std::move(made));
      runner.bodyIndex.push_back(i);
    }
  }
  return runner;
}

Status SegmentRunner::enablePoison(const plan::Plan &plan, int index, const Arenas &arenas) {
  FT_ASSIGN_OR_RETURN(poison, makePoisonSchedule(plan, index, arenas));
  return {};
}

void SegmentRunner::enableProfile(const plan::Plan &source, Profile &into) {
  plan = &source;
  profile = &into;
}

Status SegmentRunner::warmUpAndCapture() {
  FT_RETURN_IF_ERROR(checkExchangeStreams(*segment));
  // Both runs are without the host's part, so its events are not waited for either.
  waitForReceive = false;
  FT_RETURN_IF_ERROR(runBody());
  FT_RETURN_IF_ERROR(device->synchronize());
  FT_RETURN_IF_ERROR(device->beginCapture());
  Status body = runBody();
  auto captured = device->endCapture(); // also after a failure: a stream must not stay in capture
  FT_RETURN_IF_ERROR(body);
  FT_RETURN_IF_ERROR(captured.status());
  graph = *captured;
  return {};
}

Status SegmentRunner::enqueueWithEvents(ExecutableStep &step, bool waits) {
  const plan::Step &source = step.source();
  if (waits)
    for (uint32_t event : source.wait())
      if (waitForReceive || std::find(receiveEvents.begin(), receiveEvents.end(), event) == receiveEvents.end())
        FT_RETURN_IF_ERROR(device->wait(source.stream(), event));
  FT_RETURN_IF_ERROR(step.enqueue(*device));
  return source.record() ? device->record(source.stream(), source.record()) : Status();
}

Status SegmentRunner::measure(ExecutableStep &step) {
  const plan::Step &source = step.source();
  FT_RETURN_IF_ERROR(device->record(source.stream(), queues.probe[0]));
  FT_RETURN_IF_ERROR(enqueueWithEvents(step, false));
  FT_RETURN_IF_ERROR(device->record(source.stream(), queues.probe[1]));
  FT_RETURN_IF_ERROR(device->synchronize());
  FT_ASSIGN_OR_RETURN(const double ms, device->elapsedMs(queues.probe[0], queues.probe[1]));
  std::string detail = source.name();
  if (source.has_launch())
    detail = plan->kernels(source.launch().kernel()).name();
  else if (source.has_gemm())
    detail = fmt::format("{}{}x{}x{}", source.gemm().batch() > 1 ? fmt::format("{} of ", source.gemm().batch()) : "",
                         source.gemm().m(), source.gemm().n(), source.gemm().k());
  for (const std::string &key : {std::string(stepKindName(source)), stepKindName(source) + ("/" + detail)}) {
    ProfileEntry &entry = (*profile)[key];
    entry.ms += ms;
    entry.flops += source.flops();
    entry.bytes += source.bytes();
    entry.predictedMs += source.predicted_us() * 1e-3;
    ++entry.calls;
  }
  return {};
}

Status SegmentRunner::runStep(size_t index) {
  ExecutableStep &step = *body[index];
  if (!poison)
    return profile ? measure(step) : enqueueWithEvents(step, true);
  const PoisonSchedule::Around &around = poison->steps[bodyIndex[index]];
  for (const Region &region : around.before)
    FT_RETURN_IF_ERROR(device->fill(step.source().stream(), region, PoisonSchedule::value));
  FT_RETURN_IF_ERROR(enqueueWithEvents(step, true));
  for (const Region &region : around.after)
    FT_RETURN_IF_ERROR(device->fill(step.source().stream(), region, PoisonSchedule::value));
  return device->synchronize();
}

Status SegmentRunner::runBody() {
  for (size_t i = 0; i < body.size(); ++i)
    FT_RETURN_IF_ERROR(runStep(i));
  return {};
}

Status SegmentRunner::run() {
  // A graph starts and ends on stream 0, and so do the exchanges around it: their own events need no waiting for.
  for (auto &step : receive)
    FT_RETURN_IF_ERROR(enqueueWithEvents(*step, !graph));
  FT_RETURN_IF_ERROR(graph ? device->launchGraph(*graph) : runBody());
  for (auto &step : emit)
    FT_RETURN_IF_ERROR(enqueueWithEvents(*step, !graph));
  return {};
}
