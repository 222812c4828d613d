// What a device writes about itself is read as a place, and one that stands still is seen.
#include "runtime/Communication/Trail.h"
#include "runtime/Communication/Pulse.h"

#include <gtest/gtest.h>

using namespace ft;
using namespace ft::rt;
using namespace std::chrono_literals;

namespace {
class TrailTest : public testing::Test {
protected:
  TrailTest() {
    trail.add("first"), trail.add("second");
    progress.follow(&trail);
  }
  void enter(uint64_t step, plan::Segment::Kind kind) { words = {Trail::segmentWord(step, ++runs, kind), 0}; }

  TrailWords words;
  Trail trail{&words};
  Progress progress;
  uint32_t runs = 0;
};
} // namespace

TEST_F(TrailTest, TheHostsPlaceCountsWhereTheDeviceIsInNoSegment) {
  progress.beginStep(5);
  const std::string name = "norm";
  progress.enter(plan::Segment::UPDATE), progress.at(name);
  EXPECT_EQ(describe(progress.place()), "step 5, segment UPDATE, at \"norm\"");
  EXPECT_FALSE(progress.place().onDevice);
}

TEST_F(TrailTest, SaysInAndBehindWhichCollectiveTheDeviceIs) {
  progress.beginStep(6); // the host is ahead
  enter(5, plan::Segment::ACCUMULATE_LAST);
  EXPECT_EQ(describe(progress.place()), "step 5, segment ACCUMULATE_LAST");
  words.collective = Trail::in(1);
  EXPECT_EQ(describe(progress.place()), "step 5, segment ACCUMULATE_LAST, in collective 1 \"second\"");
  EXPECT_TRUE(progress.place().waits);
  words.collective = Trail::behind(1);
  EXPECT_EQ(describe(progress.place()), "step 5, segment ACCUMULATE_LAST, behind collective 1 \"second\"");
  EXPECT_FALSE(progress.place().waits);
  progress.follow(nullptr);
  EXPECT_FALSE(progress.place().onDevice);
}

TEST_F(TrailTest, KnowsTheStepOfALongRun) {
  for (uint64_t step : {uint64_t(1), (uint64_t(1) << 20) - 1, uint64_t(1) << 20, (uint64_t(7) << 20) + 3}) {
    progress.beginStep(step + 1);
    enter(step, plan::Segment::UPDATE);
    EXPECT_EQ(progress.place().step, step);
  }
}

TEST_F(TrailTest, TwoRunsOfASegmentInOneStepAreTwoPlaces) {
  progress.beginStep(2);
  enter(2, plan::Segment::ACCUMULATE_NEXT);
  const Progress::Place first = progress.place();
  enter(2, plan::Segment::ACCUMULATE_NEXT);
  EXPECT_NE(progress.place(), first);
}

TEST_F(TrailTest, WhatLiesOutsideOfThePlanIsNoName) {
  progress.beginStep(1);
  enter(1, plan::Segment::UPDATE);
  words.collective = Trail::in(77);
  EXPECT_EQ(progress.place().name, "");
}

TEST_F(TrailTest, ADeviceThatStandsStillIsSeenAndOneThatWaitsIsNot) {
  Patience patience;
  patience.leastStall = 20s;
  StallWatch watch(&progress, patience);
  const Clock::time_point start = Clock::now();
  progress.beginStep(1);
  enter(1, plan::Segment::UPDATE);
  EXPECT_EQ(watch.check(start), "");
  EXPECT_EQ(watch.check(start + 199s), "") << "nothing is known of a first run but that it has run once";
  EXPECT_NE(watch.check(start + 201s), "");
  enter(2, plan::Segment::UPDATE); // so it took 201 s at most
  EXPECT_EQ(watch.check(start + 202s), "");
  enter(0, plan::Segment::KIND_UNSPECIFIED), words.segment = 0;
  EXPECT_EQ(watch.check(start + 203s), "");

  StallWatch quick(&progress, patience);
  progress.beginStep(9);
  enter(3, plan::Segment::UPDATE);
  EXPECT_EQ(quick.check(start), "");
  enter(4, plan::Segment::UPDATE); // it took a second
  EXPECT_EQ(quick.check(start + 1s), "");
  EXPECT_EQ(quick.check(start + 20s), "");
  const std::string why = quick.check(start + 22s);
  EXPECT_NE(why.find("no progress for 21 s in step 4, segment UPDATE"), std::string::npos) << why;
  words.collective = Trail::in(0);
  EXPECT_EQ(quick.check(start + 23s), "");
  EXPECT_EQ(quick.check(start + 500s), "") << "it waits for others: one of them is to blame";
}
