// What steps take and what a device waits for, from stamps around each step.
#include "runtime/Program/StepTimer.h"
#include "runtime/Program/Clockwork.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <vector>

using namespace ft;
using namespace ft::rt;

namespace {
plan::Step &add(plan::Segment &segment, uint32_t stream, uint32_t record, std::vector<uint32_t> waits) {
  plan::Step &step = *segment.add_steps();
  step.set_stream(stream);
  step.set_record(record);
  step.mutable_wait()->Assign(waits.begin(), waits.end());
  step.mutable_copy();
  step.set_name(fmt::format("layers.{}.step", segment.steps_size()));
  return step;
}

void exchanges(plan::Step &step, plan::Collective::Kind kind) { step.mutable_collective()->set_kind(kind); }
} // namespace

TEST(StepTimerTest, WaitsOfStreamZeroAreOfTheCollectiveThatTheyAreFor) {
  plan::Plan plan;
  plan::Segment &segment = *plan.add_segments();
  add(segment, 0, 1, {});                                               // computes 10
  exchanges(add(segment, 1, 2, {1}), plan::Collective::ALL_GATHER);     //
  exchanges(add(segment, 2, 3, {1}), plan::Collective::REDUCE_SCATTER); //
  add(segment, 0, 0, {2});                                              // waits 5 for the gather, computes 20
  add(segment, 0, 0, {3});                                              // waits 3 for the reduction, computes 30
  exchanges(add(segment, 0, 0, {}), plan::Collective::ALL_REDUCE);      // 7 of its own
  exchanges(add(segment, 0, 0, {2}), plan::Collective::ALL_REDUCE);     // waits 1, and 2 of its own
  add(segment, 3, 2, {2}); // another stream waits 50; a copy has event 2 now
  add(segment, 0, 0, {2}); // waits 4 for a copy, computes 1
  const std::vector<double> waits = {0, 0, 0, 5, 3, 0, 1, 50, 4}, work = {10, 0, 0, 20, 30, 7, 2, 0, 1};
  std::vector<const plan::Step *> steps;
  for (const plan::Step &each : segment.steps())
    steps.push_back(&each);
  Profile profile;
  const StepTimer timer(plan, steps, 11, profile);
  Clockwork device;
  // Streams run beside each other: only stream 0 moves the clock here, and another stream's wait is hidden.
  for (int run = 0; run < 2; ++run) {
    for (size_t i = 0; i < steps.size(); ++i) {
      const bool computes = steps[i]->stream() == 0;
      device.now += computes ? waits[i] : 0;
      ASSERT_TRUE(timer.begin(i, device).ok());
      device.now += computes ? work[i] : 0;
      ASSERT_TRUE(timer.end(i, device).ok());
    }
    ASSERT_TRUE(timer.collect(device).ok());
  }
  EXPECT_DOUBLE_EQ(profile.at("exposed/ALL_GATHER").ms, 2 * 5);
  EXPECT_DOUBLE_EQ(profile.at("exposed/REDUCE_SCATTER").ms, 2 * 3);
  EXPECT_DOUBLE_EQ(profile.at("exposed/ALL_REDUCE").ms, 2 * (7 + 1 + 2));
  EXPECT_EQ(profile.at("exposed/ALL_REDUCE").calls, 4u);
  EXPECT_DOUBLE_EQ(profile.at("exposed/ALL_GATHER before layers.*.step").ms, 2 * 5);
  EXPECT_DOUBLE_EQ(profile.at("copy").ms, 2 * (10 + 20 + 30 + 1));
  EXPECT_FALSE(profile.contains("exposed/BROADCAST"));
  EXPECT_FALSE(profile.contains("exposed")); // is no kind of step: sums over kinds stay what they were
  for (const auto &[stream, event] : device.stamps)
    EXPECT_LT(event, 11 + StepTimer::eventsNeeded(plan));
}
