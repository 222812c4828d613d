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

  /// Enqueues the segment. It receives the batch record submitted last; outputs go to the staging area's current one.
  Status run();

private:
  SegmentRunner(const plan::Plan &plan, int segment, Device &device)
      : segment(&plan.segments(segment)), device(&device), queues(plan) {}
  Status enqueueWithEvents(ExecutableStep &step, bool waits);
  Status runBody();
  Status runStep(size_t index);
  Status measure(ExecutableStep &step);

  const plan::Segment *segment;
  Device *device;
  ExecutorQueues queues;
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
