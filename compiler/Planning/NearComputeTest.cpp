#include "compiler/Planning/NearCompute.h"

#include <gtest/gtest.h>

#include <vector>

using namespace ft;

namespace {

constexpr unsigned compute = 0, copy = 1, leave = 2;
using Numbers = llvm::SmallVector<int64_t, 4>;

std::vector<int64_t> orderOf(const TaskOrder &schedule) { return {schedule.order.begin(), schedule.order.end()}; }

/// Ten computations of 10 µs, the last of which reads what a fetch of `us` brings: task 9 of 11.
std::vector<Task> fetching(double us) {
  std::vector<Task> tasks(9, Task{compute, 10});
  tasks.push_back({copy, us});
  tasks.push_back({compute, 10, {9}});
  return tasks;
}

TEST(NearCompute, AFetchBeginsWhereItHasTwiceItsTime) {
  std::vector<Task> tasks = fetching(15);
  keepNearCompute(tasks, {{9}, {}}, 2);
  EXPECT_EQ(tasks[9].after, Numbers{5}) << "30 µs in front of its reader, which begins at 90";
  const TaskOrder schedule = listSchedule(tasks, 2, 2);
  EXPECT_EQ(schedule.us, 100) << "hidden";
  EXPECT_EQ(orderOf(schedule), (std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 9, 7, 8, 10}));
}

TEST(NearCompute, AFetchThatIsLongerThanAllBeforeItBeginsAtOnce) {
  std::vector<Task> tasks = fetching(60);
  keepNearCompute(tasks, {{9}, {}}, 2);
  EXPECT_EQ(tasks[9].after, Numbers());
}

TEST(NearCompute, FetchesOfOneStreamMakeRoomForEachOther) {
  // Two fetches of 20 for one reader at 90: the first must have begun at 50.
  std::vector<Task> tasks(9, Task{compute, 10});
  tasks.insert(tasks.end(), {Task{copy, 20}, Task{copy, 20}, Task{compute, 10, {9, 10}}});
  keepNearCompute(tasks, {{9, 10}, {}}, 2);
  EXPECT_EQ(listSchedule(tasks, 2, 2).us, 100);
  const Numbers first = tasks[9].after, second = tasks[10].after;
  EXPECT_EQ(first, Numbers{4}) << "40 to have both, and as long as one for wrong predictions";
  EXPECT_EQ(second, Numbers{2});
}

TEST(NearCompute, NoMoreValuesAreFetchedAheadThanAllowed) {
  // Fetches of 40 µs each, one read every 10: all would have to begin long before.
  std::vector<Task> tasks(20, Task{compute, 10});
  Movements movements;
  for (int64_t i = 0; i < 5; ++i) {
    movements.fetches.push_back(int64_t(tasks.size()));
    tasks.push_back({copy, 40});
    tasks.push_back({compute, 10, {int64_t(tasks.size()) - 1}});
  }
  keepNearCompute(tasks, movements, 2);
  for (int64_t i = 2; i < 5; ++i)
    EXPECT_EQ(tasks[20 + 2 * i].after.back(), 20 + 2 * (i - 2) + 1) << "the reader of the one before the one before";
}

TEST(NearCompute, WhatNobodyReadsMayBeginAnyTime) {
  std::vector<Task> tasks(3, Task{compute, 10});
  tasks.push_back({copy, 5});
  keepNearCompute(tasks, {{3}, {}}, 2);
  EXPECT_EQ(tasks[3].after, Numbers());
}

/// Six values of 10 µs, each of which leaves for `us`: tasks 1, 3, …
std::vector<Task> leaving(double us) {
  std::vector<Task> tasks;
  for (int64_t i = 0; i < 6; ++i) {
    tasks.push_back({compute, 10});
    tasks.push_back({leave, us, {2 * i}});
  }
  tasks.push_back({compute, 100});
  return tasks;
}
const Movements sixLeaves{{}, {1, 3, 5, 7, 9, 11}};

TEST(NearCompute, ALeaveIsWaitedForWhereTwiceItsTimeIsOver) {
  std::vector<Task> tasks = leaving(4);
  keepNearCompute(tasks, sixLeaves, 2);
  EXPECT_EQ(tasks[4].after, Numbers{1}) << "made at 10, left at 14, by 18 at the latest";
  EXPECT_EQ(tasks[6].after, Numbers{3});
  EXPECT_EQ(listSchedule(tasks, 3, 2).us, 160) << "hidden";
}

TEST(NearCompute, NoMoreValuesAreOnTheirWayThanAllowed) {
  // The link takes twice as long as what makes the values: they would pile up.
  std::vector<Task> tasks = leaving(20);
  keepNearCompute(tasks, sixLeaves, 2);
  EXPECT_EQ(tasks[6].after, Numbers{1}) << "the third value is made";
  EXPECT_EQ(tasks[8].after, Numbers{3});
  EXPECT_GT(listSchedule(tasks, 3, 2).us, 160);
}

TEST(ListSchedule, WhatHasAPlaceIsNotHeldUpByItsReaders) {
  // Four values leave, and are fetched where all are made.
  std::vector<Task> tasks;
  for (int64_t i = 0; i < 4; ++i) {
    tasks.push_back({compute, 10});
    tasks.push_back({leave, 5, {2 * i}});
  }
  for (int64_t i = 0; i < 4; ++i)
    tasks.push_back({copy, 5, {2 * i + 1}, {6}});
  for (int64_t i = 0; i < 4; ++i)
    tasks.push_back({compute, 10, {8 + i}});
  const llvm::SmallVector<int64_t, 2> reader{8}, maker{4};
  EXPECT_EQ(listSchedule(tasks, 3, 2).waits[5], reader) << "of the first, whose place it would take";
  for (Task &task : tasks)
    task.takesRoom = task.stream != leave;
  EXPECT_EQ(listSchedule(tasks, 3, 2).waits[5], maker);
}

} // namespace
