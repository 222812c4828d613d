#include "runtime/Program/SegmentRunner.h"

#include "runtime/Plan/Kinds.h"

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
                      step.name(), step.stream(), plan::stepKindName(step)));
  return {};
}
} // namespace

Expected<SegmentRunner> SegmentRunner::create(const plan::Plan &plan, int index, const Arenas &arenas,
                                              const StagingArea &staging, const Executors &executors) {
  const plan::Segment &segment = plan.segments(index);
  SegmentRunner runner(plan, index, executors.device);
  runner.progress = executors.progress;
  for (int i = 0; i < segment.steps_size(); ++i) {
    const plan::Step &step = segment.steps(i);
    FT_ASSIGN_OR_RETURN(auto made, makeStep(plan, step, arenas, staging, executors));
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

std::vector<const plan::Step *> SegmentRunner::bodySteps() const {
  std::vector<const plan::Step *> steps;
  for (const auto &step : body)
    steps.push_back(&step->source());
  return steps;
}

void SegmentRunner::enableProfile(const plan::Plan &source, uint32_t firstEvent, Profile &into) {
  timer.emplace(source, bodySteps(), firstEvent, into);
}

void SegmentRunner::enableExchangeTimes(uint32_t firstEvent) { exchanges.emplace(*segment, bodySteps(), firstEvent); }

void SegmentRunner::enableHostTimes(const plan::Plan &source, uint32_t firstEvent) {
  onHost.emplace(source, bodySteps(), firstEvent);
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

Status SegmentRunner::waitForEvents(const plan::Step &step) {
  for (uint32_t event : step.wait())
    if (waitForReceive || std::find(receiveEvents.begin(), receiveEvents.end(), event) == receiveEvents.end())
      FT_RETURN_IF_ERROR(device->wait(step.stream(), event));
  return {};
}

Status SegmentRunner::record(const ExecutableStep &step) {
  return step.source().record() ? device->record(step.source().stream(), step.source().record()) : Status();
}

Status SegmentRunner::enqueueAndRecord(ExecutableStep &step) {
  FT_RETURN_IF_ERROR(step.enqueue(*device));
  return record(step);
}

Status SegmentRunner::runPoisoned(size_t index) {
  ExecutableStep &step = *body[index];
  const PoisonSchedule::Around &around = poison->steps[bodyIndex[index]];
  for (const Region &region : around.before)
    FT_RETURN_IF_ERROR(device->fill(step.source().stream(), region, PoisonSchedule::value));
  FT_RETURN_IF_ERROR(waitForEvents(step.source()));
  FT_RETURN_IF_ERROR(enqueueAndRecord(step));
  for (const Region &region : around.after)
    FT_RETURN_IF_ERROR(device->fill(step.source().stream(), region, PoisonSchedule::value));
  return device->synchronize();
}

Status SegmentRunner::runStep(size_t index) {
  ExecutableStep &step = *body[index];
  if (progress)
    progress->at(step.source().name());
  if (poison)
    return runPoisoned(index);
  if (exchanges)
    FT_RETURN_IF_ERROR(exchanges->beginWait(index, *device));
  if (onHost)
    FT_RETURN_IF_ERROR(onHost->beginWait(index, *device));
  FT_RETURN_IF_ERROR(waitForEvents(step.source()));
  if (exchanges)
    FT_RETURN_IF_ERROR(exchanges->endWait(index, *device));
  if (onHost)
    FT_RETURN_IF_ERROR(onHost->endWait(index, *device));
  if (timer)
    FT_RETURN_IF_ERROR(timer->begin(index, *device));
  FT_RETURN_IF_ERROR(step.enqueue(*device));
  if (exchanges)
    FT_RETURN_IF_ERROR(exchanges->endWork(index, *device));
  if (onHost)
    FT_RETURN_IF_ERROR(onHost->endWork(index, *device));
  // Before the step's own event: what joins its stream to stream 0 is last on it, or a capture could not end.
  if (timer)
    FT_RETURN_IF_ERROR(timer->end(index, *device));
  return record(step);
}

Status SegmentRunner::runBody() {
  if (exchanges)
    FT_RETURN_IF_ERROR(exchanges->beginSegment(*device));
  for (size_t i = 0; i < body.size(); ++i)
    FT_RETURN_IF_ERROR(runStep(i));
  return exchanges ? exchanges->endSegment(*device) : Status();
}

/// A graph starts and ends on stream 0, and so do the exchanges around it: their own events need no waiting for.
Status SegmentRunner::exchange(const std::vector<std::unique_ptr<ExecutableStep>> &steps) {
  for (const auto &step : steps) {
    if (!graph)
      FT_RETURN_IF_ERROR(waitForEvents(step->source()));
    FT_RETURN_IF_ERROR(enqueueAndRecord(*step));
  }
  return {};
}

Status SegmentRunner::run() {
  FT_RETURN_IF_ERROR(exchange(receive));
  FT_RETURN_IF_ERROR(graph ? device->launchGraph(*graph) : runBody());
  FT_RETURN_IF_ERROR(exchange(emit));
  return timer && !poison ? timer->collect(*device) : Status();
}
