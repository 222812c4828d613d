#include "runtime/Device/Cpu/HostTeam.h"

#include <gtest/gtest.h>

using namespace ft::rt;

namespace {

TEST(HostTeam, DoesEachItemOnceWhateverTheNumbers) {
  for (uint32_t threads : {1u, 2u, 5u}) {
    HostTeam team(threads);
    EXPECT_EQ(team.threads(), threads);
    for (int64_t items : {0, 1, 2, 7, 1000, 4097})
      for (int round = 0; round < 20; ++round) {
        std::vector<std::atomic<int>> times(static_cast<size_t>(items));
        team.run(items, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i)
            ++times[static_cast<size_t>(i)];
        });
        for (const std::atomic<int> &of : times)
          ASSERT_EQ(of, 1) << items << " items on " << threads << " threads";
      }
  }
}

TEST(HostTeam, HasDoneItsWorkWhenItReturns) {
  HostTeam team(4);
  for (int64_t round = 1; round <= 200; ++round) {
    int64_t sums[64] = {};
    team.run(64, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        sums[i] = round * i; // no two threads write one item, and nobody writes behind run()
    });
    for (int64_t i = 0; i < 64; ++i)
      ASSERT_EQ(sums[i], round * i);
  }
}

} // namespace
