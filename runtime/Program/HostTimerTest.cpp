// What the host does of a segment and what the device waits for it, on streams that keep a time each.
#include "runtime/Program/HostTimer.h"
#include "runtime/Program/Clockwork.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

using namespace ft;
using namespace ft::rt;

namespace {
/// Arenas and buffers 0 on the device, 1 page-locked, 2 elsewhere on the host; steps that take as long as they are
/// told.
struct Steps {
  plan::Plan plan;
  plan::Segment segment;
  std::vector<double> ms;

  Steps() {
    for (const auto space : {plan::Arena::DEVICE, plan::Arena::PINNED, plan::Arena::HOST}) {
      plan.add_buffers()->set_arena(uint32_t(plan.arenas_size()));
      plan.add_arenas()->set_space(space);
    }
  }
  plan::Step &add(double takes, uint32_t stream, uint32_t record, std::vector<uint32_t> waits) {
    plan::Step &step = *segment.add_steps();
    step.set_stream(stream), step.set_record(record);
    step.mutable_wait()->Assign(waits.begin(), waits.end());
    ms.push_back(takes);
    return step;
  }
  void computes(double takes, uint32_t stream, uint32_t record, std::vector<uint32_t> waits) {
    add(takes, stream, record, std::move(waits)).mutable_launch();
  }
  void updates(double takes, uint32_t stream, uint32_t record, std::vector<uint32_t> waits) {
    add(takes, stream, record, std::move(waits)).mutable_host_launch();
  }
  void exchanges(double takes, uint32_t stream, uint32_t record, std::vector<uint32_t> waits) {
    add(takes, stream, record, std::move(waits)).mutable_collective();
  }
  void copies(double takes, uint32_t from, uint32_t to, uint32_t stream, uint32_t record, std::vector<uint32_t> waits) {
    plan::Copy &copy = *add(takes, stream, record, std::move(waits)).mutable_copy();
    for (auto [operand, buffer] : {std::pair(copy.mutable_src(), from), {copy.mutable_dst(), to}}) {
      operand->set_buffer(buffer);
      operand->set_row_bytes(100), operand->set_rows(3), operand->set_batch(2);
    }
  }

  std::vector<const plan::Step *> all() const {
    std::vector<const plan::Step *> steps;
    for (const plan::Step &step : segment.steps())
      steps.push_back(&step);
    return steps;
  }

  /// As a GPU runs them: streams beside each other. On a CPU one behind the other.
  HostTimes run(const HostTimer &timer, Clockwork &device, bool serial = false) const {
    std::map<uint32_t, double> streams, events;
    for (size_t i = 0; i < ms.size(); ++i) {
      const plan::Step &step = segment.steps(int(i));
      double &now = streams[serial ? 0 : step.stream()];
      device.now = now;
      EXPECT_TRUE(timer.beginWait(i, device).ok());
      for (const uint32_t event : step.wait())
        now = std::max(now, events[event]);
      device.now = now;
      EXPECT_TRUE(timer.endWait(i, device).ok());
      device.now = now += ms[i];
      EXPECT_TRUE(timer.endWork(i, device).ok());
      events[step.record()] = now;
    }
    const auto times = timer.read(device);
    EXPECT_TRUE(times.ok()) << times.status().message();
    return times.ok() ? *times : HostTimes();
  }
};

/// A clock of a processor whose calls have done their work when they return.
class CpuClock final : public Clockwork {
public:
  bool hostAccessible() const override { return true; }
};

/// An update of two buckets beside a forward pass of two layers, whose gradients leave; `slow` is the first update.
Steps finishFirst(double slow) {
  Steps steps;
  steps.copies(1, 0, 1, 0, 1, {});   // the norm, on the stream that computes
  steps.updates(slow, 1, 2, {1});    //
  steps.updates(20, 1, 3, {});       // begins where the first ends
  steps.copies(5, 1, 0, 2, 4, {2});  //
  steps.copies(5, 1, 0, 2, 5, {3});  //
  steps.computes(10, 0, 0, {});      // what waits for nothing
  steps.computes(10, 0, 0, {4});     // layer of the first bucket
  steps.computes(10, 0, 6, {5});     // of the second
  steps.copies(40, 0, 1, 3, 7, {6}); // a gradient leaves
  steps.copies(2, 0, 0, 3, 8, {});   // moves on the device alone, behind that
  steps.computes(10, 0, 0, {});      // beside it
  steps.computes(10, 0, 0, {8});     // waits for it
  return steps;
}
} // namespace

TEST(HostTimerTest, WhatTheDeviceDoesNotWaitForIsHidden) {
  const Steps steps = finishFirst(0.5);
  const HostTimer timer(steps.plan, steps.all(), 11);
  Clockwork device;
  for (int run = 0; run < 2; ++run) { // each run's times are its own
    const HostTimes times = steps.run(timer, device);
    EXPECT_DOUBLE_EQ(times.updates, 0.5 + 20);
    EXPECT_DOUBLE_EQ(times.toHost, 1 + 40);
    EXPECT_DOUBLE_EQ(times.toDevice, 5 + 5);
    EXPECT_EQ(times.toHostBytes, 2u * 600);
    EXPECT_EQ(times.toDeviceBytes, 2u * 600);
    // The norm 1; the second layer at 26.5 instead of 21; the last kernel at 36.5 + 42 instead of 46.5.
    EXPECT_DOUBLE_EQ(times.exposed, 1 + 5.5 + 32);
  }
  for (const auto &[stream, event] : device.stamps) {
    EXPECT_GE(event, 11u);
    EXPECT_LT(event, 11 + HostTimer::eventsNeeded(steps.plan, steps.segment));
  }
}

TEST(HostTimerTest, AHostThatIsSlowIsExposed) {
  const Steps quick = finishFirst(0.5), slow = finishFirst(100.5);
  Clockwork device;
  const HostTimes before = quick.run(HostTimer(quick.plan, quick.all(), 1), device);
  const HostTimes after = slow.run(HostTimer(slow.plan, slow.all(), 1), device);
  EXPECT_DOUBLE_EQ(after.updates, before.updates + 100);
  // The layers wait for their buckets until 106.5 and 126.5.
  EXPECT_DOUBLE_EQ(after.exposed, 1 + (106.5 - 11) + (126.5 - 116.5) + 32);
  EXPECT_GT(after.exposed, before.exposed + 90);
}

TEST(HostTimerTest, WhereCallsWaitAllOfItIsExposed) {
  const Steps steps = finishFirst(30);
  CpuClock device;
  const HostTimes times = steps.run(HostTimer(steps.plan, steps.all(), 1), device, /*serial=*/true);
  EXPECT_DOUBLE_EQ(times.updates, 50);
  EXPECT_DOUBLE_EQ(times.exposed, times.updates + times.toHost + times.toDevice);
}

TEST(HostTimerTest, WaitsForCollectivesAreNotTheHosts) {
  Steps steps;
  steps.computes(1, 0, 1, {});
  steps.exchanges(50, 1, 2, {1});
  steps.copies(20, 0, 1, 2, 3, {1});
  steps.computes(1, 0, 0, {2, 3}); // counted with collectives
  steps.exchanges(50, 1, 3, {});   // the event is another's now
  steps.computes(1, 0, 0, {3});
  Clockwork device;
  const HostTimes times = steps.run(HostTimer(steps.plan, steps.all(), 1), device);
  EXPECT_DOUBLE_EQ(times.toHost, 20);
  EXPECT_DOUBLE_EQ(times.exposed, 0);
}

TEST(HostTimerTest, NothingIsStampedWhereNothingIsOnTheHost) {
  Steps steps;
  steps.computes(1, 0, 1, {});
  steps.copies(1, 0, 0, 1, 2, {1});
  steps.computes(1, 0, 0, {2});
  EXPECT_EQ(HostTimer::eventsNeeded(steps.plan, steps.segment), 0u);
  Clockwork device;
  EXPECT_DOUBLE_EQ(steps.run(HostTimer(steps.plan, steps.all(), 1), device).exposed, 0);
  EXPECT_TRUE(device.stamps.empty());
}

TEST(HostTimerTest, WhatNeverRanHasNoTimes) {
  const Steps steps = finishFirst(1);
  Clockwork device;
  EXPECT_FALSE(HostTimer(steps.plan, steps.all(), 1).read(device).ok());
}

TEST(HostTimerTest, SegmentsAddUp) {
  HostTimes sum;
  sum.add({1, 2, 3, 4, 5, 6}, 2).add({10, 0, 0, 0, 1, 0}, 1);
  EXPECT_DOUBLE_EQ(sum.updates, 12);
  EXPECT_DOUBLE_EQ(sum.toHost, 4);
  EXPECT_DOUBLE_EQ(sum.toDevice, 6);
  EXPECT_EQ(sum.toHostBytes, 8u);
  EXPECT_EQ(sum.toDeviceBytes, 11u);
  EXPECT_DOUBLE_EQ(sum.exposed, 12);
}
