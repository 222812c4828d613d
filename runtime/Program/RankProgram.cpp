#include "runtime/Program/RankProgram.h"

#include "runtime/Plan/Kinds.h"
#include "runtime/Plan/Memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

using namespace ft;
using namespace ft::rt;

Expected<std::unique_ptr<RankProgram>> RankProgram::load(const PlanFile &file, std::unique_ptr<Device> device,
                                                         const RankProgramOptions &options) {
  std::unique_ptr<RankProgram> program(new RankProgram(file.plan, std::move(device)));
  FT_RETURN_IF_ERROR(checkTarget(file.plan, program->device()));
  program->waits = program->device().hostAccessible() || options.poison || options.profile;
  FT_RETURN_IF_ERROR(program->prepare(file, options));
  if (program->device().supportsCapture() && !options.poison)
    FT_RETURN_IF_ERROR(program->capture());
  return program;
}

Status ft::rt::checkTarget(const plan::Plan &plan, Device &device) {
  const DeviceInfo &info = device.info();
  const plan::Target &target = plan.target();
  const bool hostPlan = target.driver() == plan::CPU;
  if (hostPlan != device.hostAccessible())
    return cannotRun(fmt::format("the plan is for target {} (driver {}); this device is {}: compile with --gpu NAME, "
                                 "where ftrun --devices lists the names",
                                 target.name(), hostPlan ? "cpu" : "cuda", info.name));
  const bool named = std::find(info.targets.begin(), info.targets.end(), target.name()) != info.targets.end();
  // Cubins and PTX of one architecture run on every device of it; whether the arenas fit is checked when they are made.
  if (!hostPlan && !named && target.arch() != info.arch)
    return cannotRun(fmt::format("the plan is for target {} ({}); this device is {} ({}): compile with --gpu {}",
                                 target.name(), target.arch(), info.name, info.arch,
                                 info.targets.empty() ? "for it" : info.targets.front()));
  return {};
}

Status RankProgram::prepare(const PlanFile &file, const RankProgramOptions &options) {
  communicator = options.communicator, progress = options.progress;
  const uint32_t rank = options.communicator ? options.communicator->rank() : 0;
  FT_ASSIGN_OR_RETURN(arenaSet, Arenas::reserve(source, *driver, rank, options.ranksOnHost, options.ncclBytes));
  stagingArea.emplace(source, *arenaSet);
  timed = communicator && !driver->hostAccessible() && !options.poison;
  const uint32_t stamps = options.profile ? StepTimer::eventsNeeded(source) : 0;
  uint32_t events = queues.events + stamps, nextEvent = events + 1;
  for (const plan::Segment &segment : source.segments())
    events += (timed ? ExchangeTimer::eventsNeeded(segment) : 0) +
              (options.poison ? 0 : HostTimer::eventsNeeded(source, segment));
  loadMark = events + 1;
  if (!driver->hostAccessible()) {
    const uint64_t bytes = weightStagingBytes(source);
    FT_ASSIGN_OR_RETURN(void *const memory, driver->reserve(plan::Arena::PINNED, bytes, 4096));
    loading = {static_cast<std::byte *>(memory), bytes};
    events += LoadMarks;
  }
  FT_RETURN_IF_ERROR(driver->createQueues(queues.streams, events));
  std::vector<ImageView> images;
  for (const plan::Image &image : source.images())
    images.push_back({&image, file.section(image.section())});
  FT_RETURN_IF_ERROR(driver->loadKernels(source, images));
  for (int i = 0; i < source.segments_size(); ++i) {
    FT_ASSIGN_OR_RETURN(SegmentRunner runner, SegmentRunner::create(source, i, *arenaSet, *stagingArea,
                                                                    {*driver, options.communicator, options.progress}));
    if (options.poison)
      FT_RETURN_IF_ERROR(runner.enablePoison(source, i, *arenaSet));
    if (options.profile)
      runner.enableProfile(source, queues.events + 1, measured);
    if (timed)
      runner.enableExchangeTimes(nextEvent);
    nextEvent += timed ? ExchangeTimer::eventsNeeded(source.segments(i)) : 0;
    if (const uint32_t needed = HostTimer::eventsNeeded(source, source.segments(i)); needed > 0 && !options.poison) {
      runner.enableHostTimes(source, std::exchange(nextEvent, nextEvent + needed));
      hostTimed = true;
    }
    segments.push_back(std::move(runner));
  }
  if (progress && communicator)
    progress->follow(communicator->trail());
  return {};
}

/// Nobody looks for the device any more.
RankProgram::~RankProgram() {
  if (progress)
    progress->follow(nullptr);
}

/// Warm-up runs compute on zeros; what they leave behind is zeroed again, so that a captured and an eager run start
/// from the same bits.
Status RankProgram::capture() {
  for (SegmentRunner &segment : segments)
    if (segment.wantsCapture())
      FT_RETURN_IF_ERROR(segment.warmUpAndCapture());
  return arenaSet->zero();
}

bool RankProgram::has(plan::Segment::Kind kind) const {
  return std::any_of(segments.begin(), segments.end(), [&](const SegmentRunner &s) { return s.kind() == kind; });
}

Status RankProgram::waitFor(uint32_t event) {
  const auto start = std::chrono::steady_clock::now();
  FT_RETURN_IF_ERROR(driver->synchronizeEvent(event));
  waited += std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  return {};
}

Status RankProgram::beginRecord() { return waitFor(queues.arrived[stagingArea->turn()]); }

Status RankProgram::submitRecord() {
  const uint32_t index = stagingArea->turn();
  const std::span<char> record = stagingArea->record(index);
  if (char *slot = stagingArea->slot(index)) {
    FT_RETURN_IF_ERROR(driver->wait(queues.uploads, queues.taken[index]));
    FT_RETURN_IF_ERROR(driver->upload(queues.uploads, slot, record.data(), record.size()));
    FT_RETURN_IF_ERROR(driver->record(queues.uploads, queues.arrived[index]));
  }
  stagingArea->advance();
  return {};
}

Status RankProgram::runSegment(SegmentRunner &segment) {
  if (communicator)
    FT_RETURN_IF_ERROR(communicator->enter(stepNow, segment.kind()));
  FT_RETURN_IF_ERROR(segment.run());
  return communicator ? communicator->enter(stepNow, plan::Segment::KIND_UNSPECIFIED) : Status();
}

Status RankProgram::run(plan::Segment::Kind kind) {
  const plan::Segment::Kind finishing = begun ? plan::finishingKindOf(kind) : plan::Segment::KIND_UNSPECIFIED;
  if (finishing != plan::Segment::KIND_UNSPECIFIED) {
    begun = false;
    return runKind(finishing);
  }
  if (!plan::accumulates(kind)) // the others of a step come behind its first
    FT_RETURN_IF_ERROR(finish());
  FT_RETURN_IF_ERROR(runKind(kind));
  begun = kind == plan::Segment::UPDATE && has(plan::Segment::FINISH);
  return {};
}

Status RankProgram::finish() { return std::exchange(begun, false) ? runKind(plan::Segment::FINISH) : Status(); }

Status RankProgram::runKind(plan::Segment::Kind kind) {
  for (SegmentRunner &segment : segments)
    if (segment.kind() == kind) {
      if (progress)
        progress->enter(kind);
      ++ran[static_cast<size_t>(kind) % ran.size()];
      Status status = runSegment(segment);
      if (progress)
        progress->leave();
      return status;
    }
  return badInput(fmt::format("the plan has no segment {}; compile it again with what the run asks for",
                              plan::Segment::Kind_Name(kind)));
}

Expected<Progress::Times> RankProgram::exchangeTimes(plan::Segment::Kind kind) const {
  for (const SegmentRunner &segment : segments)
    if (segment.kind() == kind)
      return segment.exchangeTimes();
  return Progress::Times();
}

Expected<std::optional<HostTimes>> RankProgram::hostTimes(uint64_t step) const {
  if (!hostTimed || stepNow != step + 1)
    return std::optional<HostTimes>();
  for (size_t kind = 0; kind < ran.size(); ++kind)
    if (ran[kind] > 0 && kind != plan::Segment::FINISH) // of the step itself, and told by none
      return std::optional<HostTimes>();
  HostTimes times;
  for (const SegmentRunner &segment : segments)
    if (const uint32_t runs = ofStep[static_cast<size_t>(segment.kind()) % ofStep.size()]) {
      FT_ASSIGN_OR_RETURN(const HostTimes last, segment.hostTimes());
      times.add(last, runs);
    }
  return std::optional(times);
}

Expected<uint32_t> RankProgram::endOutputs() {
  const uint32_t slot = stagingArea->ringSlot();
  FT_RETURN_IF_ERROR(driver->record(0, queues.ring[slot]));
  stagingArea->advanceRing();
  return slot;
}

double RankProgram::number(plan::Output::Kind kind, uint32_t slot) const {
  const void *value = stagingArea->output(kind, slot);
  return value ? *static_cast<const double *>(value) : 0.0;
}
