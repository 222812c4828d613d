#include "runtime/Plan/Timeline.h"

#include "runtime/Plan/TestCollectives.h"

#include <gtest/gtest.h>

using namespace ft;
using namespace ft::rt;
using namespace ft::rt::test;

namespace {
/// Computation of 10, 30 and 5 µs; an exchange of `us` between the first and the last, beside the second.
plan::Plan planWith(double us) {
  RankPlan t({{"dp", 2}});
  const uint32_t g = t.buffer("g", TestPlan::Gradients, 64, plan::Buffer::GRADIENT);
  t.plan.add_streams("ranks");
  auto work = [&](const char *name, double time) -> plan::Step & {
    plan::Step &step = t.step(plan::Segment::UPDATE, name);
    step.mutable_memset();
    step.set_predicted_us(time);
    return step;
  };
  work("first", 10).set_record(1);
  plan::Step &exchange = t.collective(plan::Segment::UPDATE, "exchange", plan::Collective::ALL_REDUCE, plan::F32,
                                      {t.run(g, 0, 64, 1, 2)}, {}, 1);
  exchange.set_predicted_us(us), exchange.add_wait(1), exchange.set_record(2);
  work("second", 30);
  work("last", 5).add_wait(2);
  return t.plan;
}
} // namespace

TEST(Timeline, WorkCoversAnExchange) {
  const Timeline covered = timelineOf(planWith(20)), longer = timelineOf(planWith(50));
  EXPECT_EQ(covered.us, 45);
  EXPECT_EQ(covered.allExchanges().us, 20);
  EXPECT_EQ(covered.allExchanges().exposedUs, 0);
  EXPECT_EQ(longer.us, 65);
  EXPECT_EQ(longer.allExchanges().us, 50);
  EXPECT_EQ(longer.allExchanges().exposedUs, 20);
  EXPECT_EQ(longer.allExchanges().bytes, 64u);
}

TEST(Timeline, AnExchangeTakesFromTheWorkBesideIt) {
  plan::Plan plan = planWith(50); // 30 of them beside work
  plan.mutable_target()->set_reduction_takes(1), plan.mutable_target()->set_gather_takes(0.5);
  auto kind = [&](plan::Collective::Kind kind) {
    for (plan::Segment &segment : *plan.mutable_segments())
      for (plan::Step &step : *segment.mutable_steps())
        if (step.has_collective())
          step.mutable_collective()->set_kind(kind);
    return timelineOf(plan);
  };
  const Timeline reduced = kind(plan::Collective::ALL_REDUCE);
  EXPECT_EQ(reduced.allExchanges().takenUs, 0.75 * 30);
  EXPECT_EQ(reduced.allExchanges().lostUs(), 20 + 0.75 * 30);
  EXPECT_EQ(reduced.us, 65 + 0.75 * 30);
  EXPECT_EQ(kind(plan::Collective::REDUCE_SCATTER).allExchanges().takenUs, 30);
  EXPECT_EQ(kind(plan::Collective::ALL_GATHER).allExchanges().takenUs, 0.5 * 30);
}

TEST(Timeline, OneStreamIsTheSumOfItsSteps) {
  plan::Plan plan = samplePlan();
  double sum = 0;
  for (plan::Segment &segment : *plan.mutable_segments()) {
    const bool trains = segment.kind() == plan::Segment::ACCUMULATE_FIRST ||
                        segment.kind() == plan::Segment::ACCUMULATE_NEXT || segment.kind() == plan::Segment::UPDATE;
    for (plan::Step &step : *segment.mutable_steps()) {
      step.set_predicted_us(3), step.set_stream(0);
      sum += trains ? 3 : 0;
    }
  }
  plan.mutable_batch()->set_gradient_accumulation_steps(2);
  EXPECT_EQ(timelineOf(plan).us, sum);
}

TEST(Timeline, SaysHowLongValuesOnTheirWayToTheHostAreWaitedFor) {
  plan::Plan plan = planWith(20); // a copy in the exchange's place
  for (plan::Segment &segment : *plan.mutable_segments())
    for (plan::Step &step : *segment.mutable_steps())
      if (step.has_collective())
        step.mutable_copy();
  EXPECT_EQ(timelineOf(plan).parkedUs, 20);
  EXPECT_EQ(timelineOf(plan).parkedExposedUs, 0);
  EXPECT_EQ(timelineOf(planWith(20)).parkedUs, 0);
  for (plan::Segment &segment : *plan.mutable_segments())
    for (plan::Step &step : *segment.mutable_steps())
      if (step.has_copy())
        step.set_predicted_us(50);
  EXPECT_EQ(timelineOf(plan).us, 65);
  EXPECT_EQ(timelineOf(plan).parkedExposedUs, 20);
}
