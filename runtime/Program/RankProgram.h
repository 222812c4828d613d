// What runs a plan on one rank: what ftrun makes between reading plan.bin and loading weights.
#pragma once

#include "runtime/Communication/Communicator.h"
#include "runtime/Communication/Progress.h"
#include "runtime/Plan/PlanFile.h"
#include "runtime/Program/SegmentRunner.h"

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>

namespace ft::rt {

struct RankProgramOptions {
  bool poison = false;
  bool profile = false;
  Communicator *communicator = nullptr; ///< this rank's end, which outlives the program; null in a world of one
  Progress *progress = nullptr;         ///< told what runs; null: nobody is
  uint32_t ranksOnHost = 0;             ///< that share a processor's memory; 0: all of the plan
  uint64_t ncclBytes = 0;               ///< as RankDevice's
};

/// CannotRun where the plan is for another kind of device.
Status checkTarget(const plan::Plan &plan, Device &device);

/// A device with the arenas, kernels, prepared segments, graphs and timers of one plan on it. One thread drives it; it
/// shares nothing with the programs of other ranks but the plan file, which must outlive it. Moving is not possible:
/// steps hold addresses inside it.
class RankProgram {
public:
  /// Checks that the plan is for this device, reserves the arenas, loads kernels, prepares every step, and captures
  /// what the plan wants captured; the arenas are zeroed when it returns. Errors: CannotRun for what this machine
  /// lacks, BadInput for a plan that contradicts itself.
  static Expected<std::unique_ptr<RankProgram>> load(const PlanFile &file, std::unique_ptr<Device> device,
                                                     const RankProgramOptions &options);
  RankProgram(const RankProgram &) = delete;
  RankProgram &operator=(const RankProgram &) = delete;
  ~RankProgram();

  const plan::Plan &plan() const { return source; }
  Device &device() { return *driver; }
  const Arenas &arenas() const { return *arenaSet; }
  StagingArea &staging() { return *stagingArea; }
  bool has(plan::Segment::Kind kind) const;

  /// For whoever loads weights, where the host cannot write the device's memory: pinned memory, weightStagingBytes of
  /// it, and events of stream 0 beside the plan's, LoadMarks from the first on.
  static constexpr uint32_t LoadMarks = 32;
  uint32_t firstLoadMark() const { return loadMark; }
  std::span<std::byte> loadStaging() const { return loading; }

  /// The host's turn on the next batch record: waits until the device has no use for the bytes that it held before.
  Status beginRecord();
  /// Ends the host's turn: the record is on its way to the device, behind nothing but what still reads its slot. A
  /// record that no segment receives is lost with the next but one.
  Status submitRecord();
  /// Enqueues a segment; if it receives, the record submitted last. Where an update is not finished, the first
  /// micro-batch behind it runs beside the rest of that, and what runs between steps behind it. Fails with BadInput
  /// where the plan has no such segment.
  Status run(plan::Segment::Kind kind);
  /// Enqueues what is left of the last update: until then the host's masters and moments are those of the step before.
  /// Whoever reads them calls it first.
  Status finish();
  /// True where run() returns with its work done: on the CPU, poisoned or measured.
  bool runWaits() const { return waits; }
  /// Notes when the device comes here, behind what is enqueued and before the next endOutputs: the end of a step, as
  /// the device sees it. Two steps may be on their way, hence the third mark, which the time of the first starts from.
  static constexpr uint32_t marks = 3;
  Status mark(uint64_t step) {
    stepNow = step + 1;
    ofStep = std::exchange(ran, {});
    if (progress)
      progress->beginStep(stepNow);
    return driver->stamp(0, queues.marks[step % marks]);
  }
  /// From the mark of the step before to that of this one, whose outputs have been waited for.
  Expected<double> stepMs(uint64_t step) {
    return driver->elapsedMs(queues.marks[(step + marks - 1) % marks], queues.marks[step % marks]);
  }
  /// Marks the outputs that segments have emitted since the last call as one record of the ring; its slot.
  Expected<uint32_t> endOutputs();
  /// Waits for the outputs of a slot. Readable until the next but one endOutputs.
  Status waitOutputs(uint32_t slot) { return waitFor(queues.ring[slot]); }
  /// Milliseconds that the host has waited for the device so far, in beginRecord and waitOutputs.
  double waitedMs() const { return waited; }
  /// A number of f64 [1] in a slot; 0 where the plan has no such output.
  double number(plan::Output::Kind kind, uint32_t slot) const;

  /// Whether something runs on the host, or travels there, that hostTimes() tells of: not poisoned.
  bool timesHost() const { return hostTimed; }
  /// Of a step whose outputs have been waited for: of a segment that it ran more than once, the last run stands for
  /// all. Nothing where another step has begun, whose stamps have taken their place.
  Expected<std::optional<HostTimes>> hostTimes(uint64_t step) const;

  const Profile &profile() const { return measured; }
  /// Whether devices exchange, and say what that takes: asynchronous ones, not poisoned.
  bool timesExchanges() const { return timed; }
  /// Of the last run of a segment, which has run; the device is idle.
  Expected<Progress::Times> exchangeTimes(plan::Segment::Kind kind) const;

private:
  RankProgram(const plan::Plan &plan, std::unique_ptr<Device> device)
      : source(plan), driver(std::move(device)), queues(plan) {}
  Status prepare(const PlanFile &file, const RankProgramOptions &options);
  Status capture();
  Status waitFor(uint32_t event);
  Status runSegment(SegmentRunner &segment);
  Status runKind(plan::Segment::Kind kind);

  const plan::Plan &source;
  const std::unique_ptr<Device> driver; // outlives what lies on it
  const ProgramQueues queues;
  std::optional<Arenas> arenaSet;
  std::optional<StagingArea> stagingArea;
  std::vector<SegmentRunner> segments;
  Communicator *communicator = nullptr;
  Progress *progress = nullptr;
  uint32_t loadMark = 0;
  std::span<std::byte> loading;
  uint64_t stepNow = 0; ///< that is enqueued
  Profile measured;
  double waited = 0;
  bool waits = false, timed = false, hostTimed = false;
  bool begun = false; ///< an update that is not finished
  /// How often segments have run since the last mark, and between that and the one before; by kind.
  std::array<uint32_t, Progress::kinds> ran = {}, ofStep = {};
};

} // namespace ft::rt
