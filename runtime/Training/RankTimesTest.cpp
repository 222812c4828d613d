#include "runtime/Training/RankTimes.h"

#include "runtime/Communication/Threads.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

using namespace ft;
using namespace ft::rt;

TEST(RankTimesTest, EachRankLearnsWhatAllTook) {
  auto ends = openThreads(plan::Mesh({3}));
  std::vector<std::vector<RankTimes>> seen(3);
  std::vector<std::thread> threads;
  for (uint32_t rank = 0; rank < 3; ++rank)
    threads.emplace_back([&, rank] {
      RankTimes own{100.25, rank == 1 ? 90.5 : 40.0 + rank, 0.1 * rank, plan::Segment::UPDATE, 30.0 + rank};
      auto all = gatherTimes(own, *ends[rank]);
      ASSERT_TRUE(all.ok());
      seen[rank] = *all;
    });
  for (std::thread &thread : threads)
    thread.join();
  for (const std::vector<RankTimes> &all : seen) {
    ASSERT_EQ(all.size(), 3u);
    EXPECT_EQ(all[1].own, 90.5);
    EXPECT_EQ(all[2].exposed, 0.1 * 2);
    EXPECT_EQ(all[2].slowest, plan::Segment::UPDATE);
    EXPECT_EQ(slowestRank(all), 1u);
  }
  EXPECT_EQ(formatTimes(seen[0], {"a", "b", "c"}),
            "ranks compute 40.0 to 90.5 ms of a step of 100.2; slowest: rank 1 (host b), most in UPDATE (31.0 ms); the "
            "others wait for ranks and exchanges 0.2 ms at most");
}

namespace {
/// A clock that the test turns.
Progress::Clock::time_point hour;
void pass(int milliseconds) { hour += std::chrono::milliseconds(milliseconds); }
} // namespace

TEST(RankTimesTest, WaitingIsNotComputing) {
  Progress progress([] { return hour; });
  for (int step = 0; step < 2; ++step) {
    progress.enter(plan::Segment::ACCUMULATE_FIRST);
    {
      const Progress::Wait outer(&progress), inner(&progress);
      pass(20);
    }
    pass(3);
    progress.leave();
    progress.enter(plan::Segment::UPDATE);
    pass(10 + step);
    progress.leave();
    pass(7);                                 // between segments
    progress.enter(plan::Segment::EVALUATE); // no part of a step
    pass(5);
    progress.leave();
  }
  const RankTimes times = *timesOf(2, 0.08, [&](plan::Segment::Kind kind) -> Expected<Progress::Times> {
    return Progress::Times{progress.times(kind).own / 2, progress.times(kind).exposed / 2};
  });
  EXPECT_DOUBLE_EQ(times.step, 40);
  EXPECT_DOUBLE_EQ(times.exposed, 20) << "nested waits count once";
  EXPECT_DOUBLE_EQ(times.own, 13.5);
  EXPECT_EQ(times.slowest, plan::Segment::UPDATE);
  EXPECT_DOUBLE_EQ(times.slowestOwn, 10.5);
  EXPECT_DOUBLE_EQ(progress.longestMs(plan::Segment::UPDATE), 11);
  EXPECT_EQ(progress.longestMs(plan::Segment::GENERATE), 0);
}

TEST(RankTimesTest, WhatADeviceDoesNotTellIsAFailure) {
  EXPECT_FALSE(timesOf(1, 1, [](plan::Segment::Kind) -> Expected<Progress::Times> { return failed("no event"); }).ok());
}
