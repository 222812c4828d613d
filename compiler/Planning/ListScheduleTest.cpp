#include "compiler/Planning/ListSchedule.h"
#include "compiler/Planning/HappensBefore.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

using namespace ft;

namespace {
using Places = llvm::SmallVector<int64_t, 2>;

std::vector<int64_t> orderOf(const TaskOrder &schedule) { return {schedule.order.begin(), schedule.order.end()}; }

int64_t waitCount(const TaskOrder &schedule) {
  int64_t count = 0;
  for (const auto &waits : schedule.waits)
    count += waits.size();
  return count;
}

/// The order of streams and waits, replayed; step i of it is order[i].
HappensBefore replay(llvm::ArrayRef<Task> tasks, unsigned streams, const TaskOrder &schedule) {
  HappensBefore happens(streams);
  std::vector<int64_t> place(tasks.size(), -1);
  for (auto [at, i] : llvm::enumerate(schedule.order)) {
    llvm::SmallVector<int64_t> after;
    for (int64_t wait : schedule.waits[i])
      after.push_back(place[wait]);
    happens.append(tasks[i].stream, after);
    place[i] = at;
  }
  return happens;
}

TEST(HappensBefore, KnowsWhatRunsBesideAStep) {
  HappensBefore happens(2);
  happens.append(0, {});  // 0
  happens.append(1, {0}); // 1
  happens.append(0, {});  // 2
  happens.append(1, {});  // 3
  happens.append(0, {1}); // 4
  happens.append(0, {});  // 5
  EXPECT_TRUE(happens.isBefore(0, 3)) << "through step 1";
  EXPECT_FALSE(happens.isBefore(2, 3));
  EXPECT_TRUE(happens.isBefore(1, 5));
  EXPECT_EQ(happens.lastBeside(0), 0);
  EXPECT_EQ(happens.lastBeside(1), 2) << "step 4 waits for it";
  EXPECT_EQ(happens.lastBeside(2), 3);
  EXPECT_EQ(happens.lastBeside(3), 5) << "nobody waits for it";
  EXPECT_EQ(happens.waitsFor(0, {1, 2}), Places()) << "the stream has waited for both";
  EXPECT_EQ(happens.waitsFor(0, {1, 3}), Places{3});
  EXPECT_EQ(happens.waitsFor(1, {2, 4}), Places{4}) << "which is behind 2 on its stream";
}

TEST(ListSchedule, KeepsTheProgramOnOneStream) {
  Task tasks[] = {{0, 1}, {0, 9}, {0, 1, {0}}, {0, 5, {1}}};
  TaskOrder schedule = listSchedule(tasks, 1, 2);
  EXPECT_EQ(orderOf(schedule), (std::vector<int64_t>{0, 1, 2, 3}));
  EXPECT_EQ(waitCount(schedule), 0);
  EXPECT_EQ(schedule.us, 16);
}

TEST(ListSchedule, HidesATransferBehindComputation) {
  // The program fetches (2) just before it uses (3) what it fetches.
  Task tasks[] = {{0, 1}, {0, 10, {0}}, {1, 8, {}, {0}}, {0, 10, {1, 2}}};
  TaskOrder schedule = listSchedule(tasks, 2, 2);
  EXPECT_EQ(schedule.us, 21);
  EXPECT_EQ(orderOf(schedule), (std::vector<int64_t>{0, 1, 2, 3}));
  EXPECT_EQ(schedule.waits[2], Places{0});
  EXPECT_EQ(schedule.waits[3], Places{2});
}

TEST(ListSchedule, TakesTheLongestPathFirst) {
  // Two transfers are ready at once; the later one in the program begins the longer path.
  Task tasks[] = {{0, 1}, {1, 5, {}, {0}}, {1, 5, {}, {0}}, {0, 50, {2}}, {0, 1, {1}}};
  TaskOrder schedule = listSchedule(tasks, 2, 2);
  EXPECT_EQ(orderOf(schedule), (std::vector<int64_t>{0, 2, 3, 1, 4}));
  EXPECT_EQ(schedule.us, 57);
}

TEST(ListSchedule, FetchesNoFurtherAheadThanThereIsRoom) {
  // Three fetches (1, 2, 3), each read by one computation (4, 5, 6).
  Task tasks[] = {{0, 1}, {1, 2, {}, {0}}, {1, 2, {}, {0}}, {1, 2, {}, {0}}, {0, 9, {1}}, {0, 9, {2}}, {0, 9, {3}}};
  TaskOrder one = listSchedule(tasks, 2, 1), two = listSchedule(tasks, 2, 2), three = listSchedule(tasks, 2, 3);
  EXPECT_EQ(one.waits[2], Places{4});
  EXPECT_EQ(one.waits[3], Places{5});
  EXPECT_EQ(one.us, 1 + 3 * 11);
  EXPECT_EQ(two.waits[2], Places());
  EXPECT_EQ(two.waits[3], Places{4});
  EXPECT_EQ(three.waits[3], Places());
  EXPECT_EQ(two.us, 1 + 2 + 3 * 9);
}

TEST(ListSchedule, CountsValuesOfEachRoomByThemselves) {
  // One stream brings two values, read in the end, and behind them one of another room.
  Task tasks[] = {{0, 1}, {1, 2, {}, {0}}, {1, 2, {}, {0}, true, 1}, {0, 9}, {0, 9, {2}}, {0, 9, {1}}};
  EXPECT_EQ(listSchedule(tasks, 2, 1).us, 1 + 3 * 9);
  tasks[2].room = 0;
  EXPECT_GT(listSchedule(tasks, 2, 1).us, 1 + 3 * 9);
}

TEST(ListSchedule, FetchesWhatHasAPlaceOfItsOwnAsFarAheadAsItCan) {
  Task tasks[] = {
      {0, 1},     {1, 2, {}, {0}, false}, {1, 2, {}, {0}, false}, {1, 2, {}, {0}, false}, {0, 9, {1}}, {0, 9, {2}},
      {0, 9, {3}}};
  const TaskOrder schedule = listSchedule(tasks, 2, 1);
  for (int64_t fetch : {1, 2, 3})
    EXPECT_LE(schedule.waits[fetch].size(), fetch == 1 ? 1u : 0u) << "behind the first computation, and no reader";
  EXPECT_EQ(schedule.us, 1 + 2 + 3 * 9);
}

TEST(ListSchedule, RunsShortOfRoomRatherThanForever) {
  // The only computation reads both fetches, and there is room for one.
  Task tasks[] = {{0, 1}, {1, 2, {}, {0}}, {1, 2, {}, {0}}, {0, 1, {1, 2}}};
  EXPECT_EQ(orderOf(listSchedule(tasks, 2, 1)).size(), 4u);
}

TEST(ListSchedule, OrdersEveryDependenceOfRandomProgramsWithTheFewestWaits) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    const unsigned streams = 1 + random() % 3;
    std::vector<Task> tasks(2 + random() % 30);
    for (size_t i = 0; i < tasks.size(); ++i) {
      tasks[i].stream = random() % streams;
      tasks[i].us = random() % 10;
      for (size_t before = 0; before < i; ++before)
        if (random() % 8 == 0)
          (random() % 2 ? tasks[i].inputs : tasks[i].after).push_back(before);
    }
    const TaskOrder schedule = listSchedule(tasks, streams, 1 + random() % 3);
    ASSERT_EQ(schedule.order.size(), tasks.size());
    std::vector<int64_t> place(tasks.size(), -1);
    for (auto [at, i] : llvm::enumerate(schedule.order))
      place[i] = at;
    ASSERT_EQ(std::count(place.begin(), place.end(), -1), 0);
    const HappensBefore happens = replay(tasks, streams, schedule);
    int64_t lastComputed = -1;
    for (size_t i = 0; i < tasks.size(); ++i) {
      for (int64_t before : llvm::concat<const int64_t>(tasks[i].inputs, tasks[i].after))
        EXPECT_TRUE(happens.isBefore(place[before], place[i])) << before << " and " << i;
      if (tasks[i].stream == 0) {
        EXPECT_LT(lastComputed, place[i]) << "stream 0 keeps the program's order";
        lastComputed = place[i];
      }
    }
    // No wait may be left out: without it, some step would not be known to be over.
    for (size_t i = 0; i < tasks.size(); ++i)
      for (size_t w = 0; w < schedule.waits[i].size(); ++w) {
        TaskOrder fewer = schedule;
        fewer.waits[i].erase(fewer.waits[i].begin() + w);
        EXPECT_FALSE(replay(tasks, streams, fewer).isBefore(place[schedule.waits[i][w]], place[i]));
      }
  }
}
} // namespace
