// One segment of a plan, ready to run: eagerly, as a graph, poisoned or measured.
#pragma once

#include "runtime/Program/ExchangeTimer.h"
#include "runtime/Program/HostTimer.h"
#include "runtime/Program/Poison.h"
#include "runtime/Program/StepTimer.h"
#include "runtime/Program/Steps.h"

#include <optional>

namespace ft::rt {

/// The steps of one segment in order. Receive and Emit exchange data with the host at addresses that change, so they
/// run before and behind the rest, which may be captured as one graph.
class SegmentRunner {
public:
  static Expected<SegmentRunner> create(const plan::Plan &plan, int segment, const Arenas &arenas,
                                        const StagingArea &staging, const Executors &executors);

  plan::Segment::Kind kind() const { return segment->kind(); }
  bool receives() const { return !receive.empty(); }
  bool emits() const { return !emit.empty(); }

  /// Poisons every run from now on; such runs are eager and wait after each step.
  Status enablePoison(const plan::Plan &plan, int index, const Arenas &arenas);
  /// Measures every run from now on into `profile`; the host waits behind each. Stamps are the events from
  /// `firstEvent`.
  void enableProfile(const plan::Plan &plan, uint32_t firstEvent, Profile &profile);
  /// Measures every run from now on for exchangeTimes().
  void enableExchangeTimes(uint32_t firstEvent);
  /// Of the last run, with which the device is done.
  Expected<Progress::Times> exchangeTimes() const { return exchanges->read(*device); }
  /// Measures every run from now on for hostTimes().
  void enableHostTimes(const plan::Plan &plan, uint32_t firstEvent);
  /// Of the last run, with which the device is done; nothing where none is measured.
  Expected<HostTimes> hostTimes() const { return onHost ? onHost->read(*device) : HostTimes(); }
  /// Runs the steps once, then records them as a graph that later runs replay. The device must support capture.
  Status warmUpAndCapture();
  bool wantsCapture() const { return segment->capture(); }

  /// Enqueues the segment. It receives the batch record submitted last; outputs go to the staging area's current one.
  Status run();

private:
  SegmentRunner(const plan::Plan &plan, int segment, Device &device)
      : segment(&plan.segments(segment)), device(&device) {}
  Status waitForEvents(const plan::Step &step);
  Status record(const ExecutableStep &step);
  Status enqueueAndRecord(ExecutableStep &step);
  Status exchange(const std::vector<std::unique_ptr<ExecutableStep>> &steps);
  std::vector<const plan::Step *> bodySteps() const;
  Status runBody();
  Status runStep(size_t index);
  Status runPoisoned(size_t index);

  const plan::Segment *segment;
  Device *device;
  Progress *progress = nullptr;
  std::vector<std::unique_ptr<ExecutableStep>> receive, body, emit;
  std::vector<int> bodyIndex;          // position in the segment
  std::vector<uint32_t> receiveEvents; // events that receive steps record
  bool waitForReceive = true;
  std::optional<PoisonSchedule> poison;
  std::optional<uint32_t> graph;
  std::optional<StepTimer> timer;
  std::optional<ExchangeTimer> exchanges;
  std::optional<HostTimer> onHost;
};

} // namespace ft::rt
