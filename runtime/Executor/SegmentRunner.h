// One segment of a plan, ready to run: eagerly, as a graph, poisoned or measured.
#pragma once

#include "runtime/Executor/Poison.h"
#include "runtime/Executor/Steps.h"

#include <map>
#include <optional>

namespace ft::rt {

/// Milliseconds and calls of one group of steps.
struct ProfileEntry {
  double ms = 0, flops = 0, bytes = 0, predictedMs = 0;
  uint64_t calls = 0;
};
/// By "kind" and by "kind/name of the kernel".
using Profile = std::map<std::string, ProfileEntry>;

/// Events behind the plan's own that the executor uses.
struct ExecutorEvents {
  uint32_t slot[2];  ///< the device has read batch record 0, 1
  uint32_t ring[2];  ///< output record 0, 1 is complete
  uint32_t probe[2]; ///< around a measured step
  static constexpr uint32_t count = 6;
  explicit ExecutorEvents(uint32_t planEvents) {
    for (uint32_t i = 0; i < 2; ++i)
      slot[i] = planEvents + 1 + i, ring[i] = planEvents + 3 + i, probe[i] = planEvents + 5 + i;
  }
};

/// The steps of one segment in order. Receive and Emit exchange data with the host at addresses that change, so they
/// run before and behind the rest, which may be captured as one graph.
class SegmentRunner {
public:
  static Expected<SegmentRunner> create(const plan::Plan &plan, int segment, const Arenas &arenas,
                                        const StagingArea &staging, Device &device);

  plan::Segment::Kind kind() const { return segment->kind(); }
  bool receives() const { return !receive.empty(); }
  bool emits() const { return !emit.empty(); }

  /// Poisons every run from now on; such runs are eager and wait after each step.
  Status enablePoison(const plan::Plan &plan, int index, const Arenas &arenas);
  /// Measures every run from now on into `profile`; such runs are eager and wait after each step.
  void enableProfile(const plan::Plan &plan, Profile &profile);
  /// Runs the steps once, then records them as a graph that later runs replay. The device must support capture.
  Status warmUpAndCapture();
  bool wantsCapture() const { return segment->capture(); }

  /// Enqueues the segment. Batch records are read from, outputs written to, the staging area's current records.
  Status run();

private:
  SegmentRunner(const plan::Segment &segment, Device &device, ExecutorEvents events)
      : segment(&segment), device(&device), events(events) {}
  Status enqueueWithEvents(ExecutableStep &step, bool waits);
  Status runBody();
  Status runStep(size_t index);
  Status measure(ExecutableStep &step);

  const plan::Segment *segment;
  Device *device;
  ExecutorEvents events;
  std::vector<std::unique_ptr<ExecutableStep>> receive, body, emit;
  std::vector<int> bodyIndex;          // position in the segment
  std::vector<uint32_t> receiveEvents; // events that receive steps record
  bool waitForReceive = true;
  std::optional<PoisonSchedule> poison;
  std::optional<uint32_t> graph;
  Profile *profile = nullptr;
  const plan::Plan *plan = nullptr;
};

} // namespace ft::rt
