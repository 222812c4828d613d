// What ranks in several processes see of each other when something goes wrong. The suites test the rest.
#include "runtime/Communication/Sockets.h"
#include "runtime/Communication/CommunicatorFixture.h"
#include "runtime/Communication/Pieces.h"
#include "runtime/Communication/Pulse.h"
#include "runtime/Communication/Requests.h"
#include "runtime/Communication/Trail.h"

#include <atomic>
#include <semaphore>
#include <thread>

using namespace ft;
using namespace ft::rt;
using namespace ft::rt::test;
using namespace std::chrono_literals;
using plan::Collective;

namespace {
const std::function<bool()> never = [] { return false; };

Attendance attendance(uint32_t rank, uint32_t world) {
  return {rank, world, "host-" + std::to_string(rank), 100 + rank, {}, {}};
}

/// A world of two whose rank 1 speaks as the test wants.
class SocketsTest : public testing::Test {
protected:
  void open(SocketOptions zeroOptions, std::function<void(Company)> one) {
    auto listener = listenAt("127.0.0.1", "", 0);
    ASSERT_TRUE(listener.ok());
    launch.world = 2, launch.host = "127.0.0.1", launch.port = portOf(*listener);
    other = std::thread([this, one = std::move(one)] {
      auto company = join(launch, attendance(1, 2), SocketChannels, never);
      ASSERT_TRUE(company.ok());
      one(std::move(*company));
    });
    auto company = gather(std::move(*listener), launch, attendance(0, 2), SocketChannels, never);
    ASSERT_TRUE(company.ok());
    zero = openMeetingPlace(mesh, std::move(*company), std::move(zeroOptions));
  }
  void TearDown() override {
    zero.reset();
    if (other.joinable())
      other.join();
  }
  static SocketOptions quick(Progress *progress = nullptr) {
    SocketOptions options;
    options.patience = {20ms, 300ms, 200ms, 200ms, 2};
    options.progress = progress;
    return options;
  }
  void expectFailure(const Status &status, std::initializer_list<const char *> parts) {
    EXPECT_EQ(status.code(), Code::Failed);
    for (const char *part : parts)
      EXPECT_NE(status.message().find(part), std::string::npos) << status.message() << "\nhas no: " << part;
  }

  const plan::Mesh mesh{{2}};
  Launch launch;
  std::thread other;
  std::unique_ptr<Communicator> zero;
  std::counting_semaphore<> end{0}; ///< of rank 1
  Progress progress;                ///< of rank 1 or 0; watched until both are gone
  const std::string product = "layers.0.product";
};

} // namespace

TEST_F(SocketsTest, AConnectionThatClosesIsAFailureAtOnce) {
  open({}, [](Company) {}); // closes all
  expectFailure(zero->agree(Agreement::Max, 1).status(),
                {"rank 1: its connection closed (host host-1, process 101); it was in before its first"});
}

TEST_F(SocketsTest, ARankThatIsSilentIsLost) {
  open(quick(), [&]([[maybe_unused]] Company company) { end.acquire(); });
  const auto start = Clock::now();
  expectFailure(zero->agree(Agreement::Max, 1).status(), {"rank 1: no heartbeat for 0 s (host host-1",
                                                          "1 of 2 ranks wait where each agrees on the largest value"});
  EXPECT_GT(Clock::now() - start, 200ms);
  EXPECT_LT(Clock::now() - start, 5s);
  end.release();
}

TEST_F(SocketsTest, ASilentRankZeroIsLost) {
  // Rank 0 never opens its end: it holds the connections and says nothing.
  auto listener = listenAt("127.0.0.1", "", 0);
  launch.world = 2, launch.host = "127.0.0.1", launch.port = portOf(*listener);
  Status seen;
  other = std::thread([&] {
    auto company = join(launch, attendance(1, 2), SocketChannels, never);
    seen = openFarRank(mesh, 1, std::move(*company), quick())->agree(Agreement::Max, 1).status();
  });
  auto company = gather(std::move(*listener), launch, attendance(0, 2), SocketChannels, never);
  other.join();
  expectFailure(seen, {"rank 0: no heartbeat for 0 s (host host-0, process 100)"});
}

TEST_F(SocketsTest, TheLostRanksLastPlaceIsNamed) {
  open({}, [&](Company company) { // and dies behind its first agreement
    const Connection &data = company.peers[0].channels[DataChannel];
    const Request request{Request::Agree, uint32_t(Agreement::Sum), 5, 17, plan::Segment::ACCUMULATE_LAST};
    Reply reply;
    ASSERT_TRUE(data.send({reinterpret_cast<const char *>(&request), sizeof request}));
    ASSERT_TRUE(data.receive(&reply, sizeof reply));
    EXPECT_EQ(reply.value, 12u);
  });
  EXPECT_EQ(*zero->agree(Agreement::Sum, 7), 12u);
  expectFailure(zero->agree(Agreement::Sum, 7).status(),
                {"rank 1: its connection closed (host host-1, process 101); it was in step 17, segment "
                 "ACCUMULATE_LAST, behind an agreement"});
}

TEST_F(SocketsTest, TheStepOfThePlanIsNamedWhereAHeartbeatSaidIt) {
  open({}, [&](Company company) {
    const Connection &data = company.peers[0].channels[DataChannel];
    progress.beginStep(17);
    progress.enter(plan::Segment::UPDATE);
    progress.at(product);
    company.peers[0].channels[PulseChannel].send(frame(beatOf(&progress).SerializeAsString()));
    std::this_thread::sleep_for(300ms);
    const Request request{Request::Agree, uint32_t(Agreement::Sum), 5, 17, plan::Segment::UPDATE};
    Reply reply;
    ASSERT_TRUE(data.send({reinterpret_cast<const char *>(&request), sizeof request}));
    ASSERT_TRUE(data.receive(&reply, sizeof reply));
  });
  EXPECT_TRUE(zero->agree(Agreement::Sum, 7).ok());
  expectFailure(zero->agree(Agreement::Sum, 7).status(),
                {"it was in step 17, segment UPDATE, behind an agreement, last heard at \"layers.0.product\""});
}

TEST_F(SocketsTest, LoadingThatStandsStillIsLost) {
  for (const bool begun : {true, false}) {
    open({}, [&](Company company) {
      auto own = openFarRank(mesh, 1, std::move(company), quick(&progress));
      const Progress::Loading loading(&progress);
      for (int chunk = 0; begun && chunk < 20; ++chunk) { // each soon enough, all of them not
        std::this_thread::sleep_for(30ms);
        progress.loaded();
      }
      end.acquire();
    });
    expectFailure(zero->agree(Agreement::Max, 1).status(),
                  {"rank 1: no progress for ", begun ? " s in loading weights; a piece has taken "
                                                     : " s in loading weights; nothing has been read so far"});
    end.release();
    TearDown();
  }
}

TEST_F(SocketsTest, ARankThatStandsStillIsLostThoughItsProcessLives) {
  open({}, [&](Company company) {
    auto own = openFarRank(mesh, 1, std::move(company), quick(&progress));
    progress.beginStep(3);
    for (int i = 0; i < 2; ++i) { // the first run of a segment has no measure
      progress.enter(plan::Segment::UPDATE);
      progress.at(product);
      std::this_thread::sleep_for(i == 0 ? 10ms : 0ms);
      if (i == 0)
        progress.leave();
    }
    end.acquire();
  });
  expectFailure(
      zero->agree(Agreement::Max, 1).status(),
      {"rank 1: no progress for 0 s in step 3, segment UPDATE, at \"layers.0.product\"; such a segment has taken"});
  end.release();
}

TEST_F(SocketsTest, DevicesThatAllWaitForEachOtherAreLost) {
  TrailWords words{Trail::segmentWord(7, 1, plan::Segment::UPDATE), Trail::in(1)};
  Trail trail(&words);
  trail.add("first"), trail.add("gradients");
  Progress others;
  for (Progress *each : {&progress, &others})
    each->beginStep(8), each->follow(&trail);
  open(quick(&others), [&](Company company) {
    auto own = openFarRank(mesh, 1, std::move(company), quick(&progress));
    end.acquire();
  });
  expectFailure(zero->agree(Agreement::Max, 1).status(),
                {"rank 0: all devices wait for each other, for ",
                 " s now: step 7, segment UPDATE, in collective 1 \"gradients\"",
                 "; 1 of 2 ranks wait in collective 1 \"gradients\""});
  end.release();
  TearDown(); // before what they watch goes
}

TEST_F(SocketsTest, OneDeviceThatComputesKeepsTheOthersWaiting) {
  TrailWords waits{Trail::segmentWord(7, 1, plan::Segment::UPDATE), Trail::in(0)}, computes = waits;
  computes.collective = 0;
  Trail waiting(&waits), computing(&computes);
  waiting.add("gradients"), computing.add("gradients");
  Progress others;
  progress.beginStep(7), others.beginStep(7);
  progress.follow(&computing), others.follow(&waiting);
  open(quick(&others), [&](Company company) {
    auto own = openFarRank(mesh, 1, std::move(company), quick(&progress));
    end.acquire();
  });
  // Of its first run nothing is known, so it may take a while; then it is the one that is named.
  expectFailure(zero->agree(Agreement::Max, 1).status(),
                {"rank 1: no progress for ", " s in step 7, segment UPDATE; such a segment has taken"});
  end.release();
  TearDown();
}

TEST_F(SocketsTest, WaitingForOthersIsNoStandstill) {
  open(quick(), [&](Company company) {
    auto own = openFarRank(mesh, 1, std::move(company), quick(&progress));
    progress.enter(plan::Segment::UPDATE);
    progress.leave();
    progress.enter(plan::Segment::UPDATE);
    EXPECT_TRUE(own->agree(Agreement::Max, 0).ok());
  });
  std::this_thread::sleep_for(600ms);
  EXPECT_TRUE(zero->agree(Agreement::Max, 0).ok());
}

TEST_F(SocketsTest, ARankThatDoesNotHearOfTheFailureIsOverdue) {
  // Both compute when rank 1 aborts, each for longer than is waited; rank 0 between segments may be saving.
  for (const bool inSegment : {true, false}) {
    Progress progress[2];
    std::atomic<int> overdue = 0;
    auto options = [&](uint32_t rank) {
      SocketOptions made = quick(&progress[rank]);
      made.onOverdue = [&](const std::string &reason) {
        EXPECT_EQ(reason, "rank 1: enough");
        ++overdue;
      };
      progress[rank].beginStep(2);
      if (inSegment)
        progress[rank].enter(plan::Segment::UPDATE);
      return made;
    };
    open(options(0), [&](Company company) {
      auto own = openFarRank(mesh, 1, std::move(company), options(1));
      own->abort("enough");
      end.acquire();
    });
    std::this_thread::sleep_for(800ms);
    EXPECT_EQ(overdue, inSegment ? 2 : 0);
    EXPECT_FALSE(zero->agree(Agreement::Max, 0).ok());
    end.release();
    TearDown();
  }
}

TEST_F(SocketsTest, AnInterruptAnywhereReachesRankZero) {
  std::atomic<int> heard = 0;
  SocketOptions options;
  options.onInterrupt = [&] { ++heard; };
  open(options, [&](Company company) {
    SocketOptions own;
    own.interrupted = [] { return true; };
    auto one = openFarRank(mesh, 1, std::move(company), own);
    end.acquire();
  });
  for (int i = 0; i < 500 && heard == 0; ++i)
    std::this_thread::sleep_for(10ms);
  std::this_thread::sleep_for(250ms);
  EXPECT_EQ(heard, 1);
  end.release();
}

TEST_F(SocketsTest, WhatNoRankSendsFailsItsRankAlone) {
  Request agree{Request::Agree, 9};
  Request unprepared{Request::Run, 0, 4};
  Request large{Request::Prepare, 0, uint64_t(1) << 40};
  Request nobodys{Request::Bring, 2, 8}, much{Request::Bring, 1, Pieces::mostStagedBytes + 1};
  Request none{77};
  for (const Request &request : {agree, unprepared, large, nobodys, much, none}) {
    open({}, [&](Company company) {
      company.peers[0].channels[DataChannel].send({reinterpret_cast<const char *>(&request), sizeof request});
      end.acquire();
    });
    expectFailure(zero->agree(Agreement::Max, 1).status(), {"rank 1: sent what no rank of this plan sends"});
    end.release();
    TearDown();
  }
}

TEST_F(SocketsTest, ManyPiecesAreTheWhole) {
  // Three pieces and a rest, in place, beside a run of one element.
  const uint64_t elements = 3 * Pieces::mostStagedBytes / 4 + 5;
  auto body = [&](Communicator &end, std::vector<float> &values, float &single) {
    const Collective collective = makeCollective(Collective::ALL_REDUCE, Collective::SUM, plan::F32, {0}, 2,
                                                 {elements * sizeof(float), sizeof(float)});
    std::byte *runs[] = {reinterpret_cast<std::byte *>(values.data()), reinterpret_cast<std::byte *>(&single)};
    auto handle = end.prepare("both", collective, {runs, {}, nullptr});
    ASSERT_TRUE(handle.ok() && end.run(0, *handle).ok());
  };
  std::vector<float> a(elements), b(elements);
  for (uint64_t i = 0; i < elements; ++i)
    a[i] = float(i % 1000), b[i] = float(i % 77);
  float x = 1, y = 2;
  open({}, [&](Company company) {
    auto own = openFarRank(mesh, 1, std::move(company), {});
    body(*own, b, y);
  });
  body(*zero, a, x);
  TearDown();
  for (uint64_t i = 0; i < elements; ++i)
    ASSERT_EQ(a[i], float(i % 1000) + float(i % 77));
  EXPECT_EQ(a, b);
  EXPECT_EQ(x, 3);
  EXPECT_EQ(y, 3);
}
