#include "runtime/Device/Cpu/Team.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

using namespace ft::rt;

namespace {

Team teamOf(uint32_t threads) {
  const Expected<CpuLibraries> libraries = openCpuLibraries();
  EXPECT_TRUE(libraries.ok()) << libraries.status().message();
  return Team(libraries->openMp, threads);
}

TEST(Team, GivesEveryItemToOneMember) {
  for (uint32_t threads : {1, 2, 3, 7}) {
    const Team team = teamOf(threads);
    for (int64_t items : {0, 1, 2, 3, 6, 7, 8, 100, 1001}) {
      std::vector<std::atomic<int>> seen(static_cast<size_t>(items));
      std::vector<std::atomic<int>> inside(threads);
      std::atomic<bool> twice = false, foreign = false;
      team.runAs(items, [&](uint32_t member, int64_t begin, int64_t end) {
        foreign = foreign || member >= threads;
        twice = twice || inside[member % threads]++ > 0;
        for (int64_t i = begin; i < end; ++i)
          ++seen[static_cast<size_t>(i)];
        --inside[member % threads];
      });
      EXPECT_FALSE(twice || foreign) << threads << " threads, " << items << " items";
      for (const std::atomic<int> &times : seen)
        ASSERT_EQ(times, 1) << threads << " threads, " << items << " items";
    }
  }
}

/// What a busy machine does to a member: its share does not hold up the others.
TEST(Team, HelpsAMemberThatIsHeldUp) {
  const Team team = teamOf(2);
  constexpr int64_t items = 64;
  std::atomic<int64_t> ofTheLast = 0;
  team.runAs(items, [&](uint32_t member, int64_t begin, int64_t end) {
    if (member == 1) {
      ofTheLast += end - begin;
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
    }
  });
  EXPECT_LT(ofTheLast, items / 4); // of its half it took a piece or two
}

} // namespace
