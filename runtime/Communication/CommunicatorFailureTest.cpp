// One rank's failure is everybody's, at once and by name: nobody is left waiting.
#include "runtime/Communication/CommunicatorFixture.h"
#include "runtime/Communication/Room.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <latch>
#include <mutex>
#include <thread>

using namespace ft;
using namespace ft::rt;
using namespace ft::rt::test;
using plan::Collective;

namespace {

/// What each rank got.
class Outcomes {
public:
  void add(uint32_t rank, Status status) {
    std::lock_guard lock(mutex);
    statuses[rank] = std::move(status);
  }
  void expect(uint32_t rank, const std::string &message) {
    EXPECT_EQ(statuses[rank].code(), Code::Failed) << "rank " << rank;
    EXPECT_EQ(statuses[rank].message(), message) << "rank " << rank;
  }
  const Status &operator[](uint32_t rank) { return statuses[rank]; }

private:
  std::mutex mutex;
  std::array<Status, 8> statuses;
};

class CommunicatorFailure : public testing::TestWithParam<Implementation> {
protected:
  /// An all-reduce of one float over all ranks.
  static Expected<uint32_t> prepare(Communicator &end, float &value, const std::string &name = "sum") {
    std::byte *run = reinterpret_cast<std::byte *>(&value);
    return end.prepare(
        name, makeCollective(Collective::ALL_REDUCE, Collective::SUM, plan::F32, {0}, end.size(), {sizeof(float)}),
        {{&run, 1}, {}, nullptr});
  }
  static void shortWait() { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }
};

} // namespace

TEST_P(CommunicatorFailure, AbortReleasesThoseWhoWaitAndThoseWhoComeLater) {
  Outcomes outcomes;
  onEachRank(GetParam(), plan::Mesh({4}), [&](Communicator &end) {
    float value = 1;
    auto handle = prepare(end, value);
    ASSERT_TRUE(handle.ok());
    if (end.rank() == 2) {
      shortWait();
      end.abort("step 3 has no finite loss");
    } else if (end.rank() == 3) {
      shortWait(), shortWait();
    }
    outcomes.add(end.rank(), end.run(0, *handle));
    EXPECT_FALSE(end.agree(Agreement::Max, 1).ok());
    EXPECT_FALSE(prepare(end, value).ok());
  });
  for (uint32_t rank = 0; rank < 4; ++rank)
    outcomes.expect(rank, "rank 2: step 3 has no finite loss");
}

TEST_P(CommunicatorFailure, TheFirstReasonStays) {
  Outcomes outcomes;
  onEachRank(GetParam(), plan::Mesh({2}), [&](Communicator &end) {
    if (end.rank() == 1) {
      end.abort("first");
      end.abort("second");
    } else {
      while (end.agree(Agreement::Max, 0).ok()) {
      }
      end.abort("late");
    }
    outcomes.add(end.rank(), end.agree(Agreement::Max, 0).status());
  });
  outcomes.expect(0, "rank 1: first");
  outcomes.expect(1, "rank 1: first");
}

TEST_P(CommunicatorFailure, ARankThatNeverComesIsEndedByAWatchdog) {
  Outcomes outcomes;
  std::latch othersEnded(2); // rank 1 comes no earlier
  auto ends = GetParam().open(plan::Mesh({3}));
  std::vector<std::thread> threads;
  for (uint32_t rank = 0; rank < 3; ++rank)
    threads.emplace_back([&, rank] {
      if (rank == 1)
        othersEnded.wait();
      outcomes.add(rank, ends[rank]->agree(Agreement::Sum, rank).status());
      if (rank != 1)
        othersEnded.count_down();
    });
  std::thread watchdog([&] {
    shortWait();
    ends[0]->abort("no progress for 20 s at \"update.reduce\"");
  });
  watchdog.join();
  for (std::thread &thread : threads)
    thread.join();
  for (uint32_t rank = 0; rank < 3; ++rank)
    outcomes.expect(rank, "rank 0: no progress for 20 s at \"update.reduce\"");
}

TEST_P(CommunicatorFailure, ARankThatReturnsEarlyReleasesTheOthers) {
  if (GetParam().name == "Moved")
    GTEST_SKIP() << "who leaves without a word is its host's to see, as a process that ends";
  Outcomes outcomes;
  onEachRank(GetParam(), plan::Mesh({4}), [&](Communicator &end) {
    float value = 1;
    auto handle = prepare(end, value);
    ASSERT_TRUE(handle.ok());
    if (end.rank() == 1)
      return;
    outcomes.add(end.rank(), end.run(0, *handle));
  });
  for (uint32_t rank : {0, 2, 3})
    outcomes.expect(rank, "rank 1: has left");
}

TEST_P(CommunicatorFailure, LeavingAfterTheLastCallHarmsNobody) {
  for (int round = 0; round < 200; ++round)
    onEachRank(GetParam(), plan::Mesh({4}), [&](Communicator &end) {
      float value = 1;
      auto handle = prepare(end, value);
      ASSERT_TRUE(handle.ok());
      EXPECT_TRUE(end.run(0, *handle).ok());
      auto agreed = end.agree(Agreement::Sum, 1);
      EXPECT_TRUE(agreed.ok()) << agreed.status().message();
    });
}

TEST_P(CommunicatorFailure, ThoseWhoDoNotNeedARankMayGoOnWithoutIt) {
  const plan::Mesh mesh({2, 2});
  onEachRank(GetParam(), mesh, [&](Communicator &end) {
    int32_t value = 1;
    std::byte *run = reinterpret_cast<std::byte *>(&value);
    auto handle =
        end.prepare("row", makeCollective(Collective::ALL_REDUCE, Collective::SUM, plan::I32, {1}, 2, {sizeof(value)}),
                    {{&run, 1}, {}, nullptr});
    ASSERT_TRUE(handle.ok());
    for (int round = 0; round < (end.rank() < 2 ? 1 : 20); ++round) {
      EXPECT_TRUE(end.run(0, *handle).ok());
      shortWait();
    }
  });
}

TEST_P(CommunicatorFailure, DifferentOrdersAreSeen) {
  Outcomes outcomes;
  onEachRank(GetParam(), plan::Mesh({2}), [&](Communicator &end) {
    float values[2] = {1, 2};
    auto first = prepare(end, values[0], "first"), second = prepare(end, values[1], "second");
    ASSERT_TRUE(first.ok() && second.ok());
    outcomes.add(end.rank(), end.run(0, end.rank() == 0 ? *first : *second));
  });
  for (uint32_t rank : {0, 1}) {
    EXPECT_EQ(outcomes[rank].code(), Code::Failed);
    EXPECT_NE(outcomes[rank].message().find("runs collective 0 \"first\""), std::string::npos);
    EXPECT_NE(outcomes[rank].message().find("runs collective 1 \"second\""), std::string::npos);
  }
}

TEST_P(CommunicatorFailure, DifferentMeaningsOfOneCollectiveAreSeen) {
  Outcomes outcomes;
  onEachRank(GetParam(), plan::Mesh({3}), [&](Communicator &end) {
    float value = 1;
    std::byte *run = reinterpret_cast<std::byte *>(&value);
    auto reduction = end.rank() == 1 ? Collective::MAX : Collective::SUM;
    outcomes.add(end.rank(),
                 end.prepare("sum",
                             makeCollective(Collective::ALL_REDUCE, reduction, plan::F32, {0}, 3, {sizeof(float)}),
                             {{&run, 1}, {}, nullptr})
                     .status());
  });
  for (uint32_t rank = 0; rank < 3; ++rank)
    EXPECT_NE(outcomes[rank].message().find("prepares collective 0 with another meaning than a rank before"),
              std::string::npos)
        << outcomes[rank].message();
}

TEST_P(CommunicatorFailure, NobodyTouchesTheMemoryOfARankThatHasLeft) {
  // A watchdog aborts at some moment. The root has nothing to copy, so that it leaves while the others still read; once
  // it has left, its memory is used for something else.
  for (uint32_t round = 0; round < 60; ++round) {
    const plan::Collective collective =
        makeCollective(Collective::BROADCAST, Collective::REDUCTION_UNSPECIFIED, plan::U8, {0}, 3, {1 << 20});
    const std::byte wanted = std::byte(1), filler = std::byte(255);
    std::vector<Bytes> memory(3, Bytes(1 << 20, wanted));
    auto ends = GetParam().open(plan::Mesh({3}));
    auto body = [&](uint32_t rank) {
      std::byte *run = memory[rank].data();
      auto handle = ends[rank]->prepare("broadcast", collective, {{&run, 1}, {}, nullptr});
      std::thread watchdog;
      if (rank == 0)
        watchdog = std::thread([&] {
          std::this_thread::sleep_for(std::chrono::microseconds(37 * round));
          ends[0]->abort("enough");
        });
      while (handle.ok() && ends[rank]->run(0, *handle).ok()) {
      }
      if (watchdog.joinable())
        watchdog.join();
      ends[rank].reset();
      if (rank == 0)
        std::fill(memory[0].begin(), memory[0].end(), filler); // what the others copy from
    };
    std::vector<std::thread> threads;
    for (uint32_t rank = 0; rank < 3; ++rank)
      threads.emplace_back(body, rank);
    for (std::thread &thread : threads)
      thread.join();
    for (uint32_t rank : {1, 2})
      ASSERT_EQ(std::count(memory[rank].begin(), memory[rank].end(), filler), 0) << "round " << round;
  }
}

TEST(RoomTest, NobodyWaitsOnceAllHaveFailed) {
  Room room(2);
  Room::Group &group = room.group({0, 1});
  std::thread waits([&] {
    const std::string name = "gradients"; // gone with the rank
    EXPECT_FALSE(room.open(group, 0, {Purpose::Run, name, 3}).ok());
  });
  std::string waiting;
  while (waiting.empty())
    waiting = room.waiting();
  EXPECT_EQ(waiting, "1 of 2 ranks wait where each runs collective 3 \"gradients\"");
  room.fail(1, "is gone");
  waits.join();
  EXPECT_EQ(room.waiting(), "");
}

INSTANTIATE_TEST_SUITE_P(All, CommunicatorFailure, testing::ValuesIn(implementations()),
                         [](const auto &info) { return info.param.name; });
