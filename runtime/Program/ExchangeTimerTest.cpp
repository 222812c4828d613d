// What a device computes and waits for, from stamps on the stream that it computes on.
#include "runtime/Program/ExchangeTimer.h"
#include "runtime/Program/Clockwork.h"

#include <gtest/gtest.h>

#include <vector>

using namespace ft;
using namespace ft::rt;

namespace {
plan::Step step(uint32_t stream, bool collective, uint32_t record, std::vector<uint32_t> waits) {
  plan::Step made;
  made.set_stream(stream);
  collective ? void(made.mutable_collective()) : void(made.mutable_copy());
  made.set_record(record);
  made.mutable_wait()->Assign(waits.begin(), waits.end());
  return made;
}
} // namespace

TEST(ExchangeTimerTest, WaitsForCollectivesAreNotComputing) {
  plan::Segment segment;
  *segment.add_steps() = step(0, false, 1, {});  // computes 10, which the exchange waits for
  *segment.add_steps() = step(1, true, 2, {1});  // on another stream
  *segment.add_steps() = step(0, false, 3, {});  // computes 20 beside it
  *segment.add_steps() = step(0, false, 0, {2}); // waits 5 for it, computes 30
  *segment.add_steps() = step(0, true, 0, {});   // an exchange in between: 7
  *segment.add_steps() = step(2, false, 0, {2}); // another stream waits: it does not compute
  *segment.add_steps() = step(0, false, 0, {3}); // waits for no exchange, computes 1
  const std::vector<double> waits = {0, 0, 0, 5, 0, 0, 0}, work = {10, 0, 20, 30, 7, 0, 1};
  std::vector<const plan::Step *> steps;
  for (const plan::Step &each : segment.steps())
    steps.push_back(&each);
  const ExchangeTimer timer(segment, steps, 11);
  Clockwork device;
  ASSERT_TRUE(timer.beginSegment(device).ok());
  for (size_t i = 0; i < steps.size(); ++i) {
    ASSERT_TRUE(timer.beginWait(i, device).ok());
    device.now += waits[i];
    ASSERT_TRUE(timer.endWait(i, device).ok());
    device.now += work[i];
    ASSERT_TRUE(timer.endWork(i, device).ok());
  }
  ASSERT_TRUE(timer.endSegment(device).ok());
  const auto times = timer.read(device);
  ASSERT_TRUE(times.ok()) << times.status().message();
  EXPECT_DOUBLE_EQ(times->exposed, 5 + 7);
  EXPECT_DOUBLE_EQ(times->own, 10 + 20 + 30 + 1);
  for (const auto &[stream, event] : device.stamps) {
    EXPECT_EQ(stream, 0u);
    EXPECT_GE(event, 11u);
    EXPECT_LT(event, 11 + ExchangeTimer::eventsNeeded(segment));
  }
}

TEST(ExchangeTimerTest, WhatNeverRanHasNoTimes) {
  plan::Segment segment;
  const ExchangeTimer timer(segment, {}, 1);
  Clockwork device;
  EXPECT_FALSE(timer.read(device).ok());
}
