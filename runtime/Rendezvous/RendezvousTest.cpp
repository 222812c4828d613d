// Processes that find each other, as threads over loopback.
#include "runtime/Rendezvous/Rendezvous.h"

#include "runtime/Rendezvous/Frames.h"

#include <gtest/gtest.h>

#include <sys/socket.h>
#include <thread>

using namespace ft;
using namespace ft::rt;
using namespace std::chrono_literals;

namespace {
constexpr uint32_t channels = 2;

class RendezvousTest : public testing::Test {
protected:
  void SetUp() override {
    launch.host = "127.0.0.1", launch.world = 3, launch.startTimeout = 5s;
    auto made = listenAt(launch.host, "", 0);
    ASSERT_TRUE(made.ok()) << made.status().message();
    listener = std::move(*made);
    launch.port = portOf(listener);
    for (int i = 0; i < 4; ++i)
      outcomes.emplace_back(failed("not started"));
  }

  Attendance rank(uint32_t number) const {
    Attendance own;
    own.rank = number, own.world = launch.world, own.host = hostName(), own.process = 1000 + number;
    rendezvous::Fact fact;
    fact.set_name("plan"), fact.set_value("1"), fact.set_code(1);
    own.facts = {fact};
    return own;
  }
  Expected<Company> rankZero() { return gather(std::move(listener), launch, rank(0), channels, never); }
  void end() {
    for (std::thread &thread : threads)
      thread.join();
    threads.clear();
  }
  void expect(size_t outcome, Code code, const std::string &part) {
    EXPECT_EQ(outcomes[outcome].status().code(), code);
    EXPECT_NE(outcomes[outcome].status().message().find(part), std::string::npos)
        << outcomes[outcome].status().message();
  }
  /// Starts a rank in the background; its outcome is there after end(), in the order of starting.
  void startRank(const Attendance &own, const Launch &how) {
    const size_t index = started++;
    threads.emplace_back([this, own, how, index] { outcomes[index] = join(how, own, channels, never); });
  }

  const std::function<bool()> never = [] { return false; };
  Launch launch;
  Descriptor listener;
  std::vector<std::thread> threads;
  size_t started = 0;
  std::vector<Expected<Company>> outcomes;
};
} // namespace

TEST_F(RendezvousTest, AllComeAndCanSpeak) {
  startRank(rank(2), launch), startRank(rank(1), launch);
  auto company = rankZero();
  end();
  ASSERT_TRUE(company.ok()) << company.status().message();
  EXPECT_EQ(company->ranksOnHost, 3u);
  EXPECT_EQ(company->peers[2].process, 1002u);
  for (uint32_t channel = 0; channel < channels; ++channel) {
    ASSERT_TRUE(company->peers[2].channels[channel].send(channel ? "b" : "a"));
    char got = 0;
    ASSERT_TRUE(outcomes[0]->peers[0].channels[channel].receive(&got, 1));
    EXPECT_EQ(got, channel ? 'b' : 'a');
  }
  EXPECT_FALSE(connectTo(launch.host, "", launch.port, 1s).ok()) << "nothing listens any more";
}

TEST_F(RendezvousTest, RanksMayComeBeforeRankZero) {
  listener = Descriptor();
  startRank(rank(1), launch), startRank(rank(2), launch);
  std::this_thread::sleep_for(200ms);
  listener = std::move(*listenAt(launch.host, "", launch.port));
  EXPECT_TRUE(rankZero().ok());
  end();
  EXPECT_TRUE(outcomes[0].ok() && outcomes[1].ok());
}

TEST_F(RendezvousTest, ADifferenceIsToldToAll) {
  Attendance other = rank(2);
  other.facts[0].set_value("2");
  startRank(rank(1), launch), startRank(other, launch);
  EXPECT_EQ(rankZero().status().code(), Code::BadInput);
  end();
  expect(0, Code::BadInput, "rank 2 (host");
  expect(1, Code::BadInput, "has another plan than rank 0");
}

TEST_F(RendezvousTest, LatecomersHearTheReason) {
  Attendance other = rank(2);
  other.facts[0].set_value("2");
  startRank(other, launch);
  std::thread late([&] {
    std::this_thread::sleep_for(500ms);
    outcomes[3] = join(launch, rank(1), channels, never);
  });
  EXPECT_EQ(rankZero().status().code(), Code::BadInput);
  late.join();
  end();
  expect(3, Code::BadInput, "has another plan");
}

TEST_F(RendezvousTest, AMissingRankIsNamedToAll) {
  launch.startTimeout = 1s;
  startRank(rank(1), launch);
  auto company = rankZero();
  EXPECT_EQ(company.status().code(), Code::CannotRun);
  EXPECT_NE(company.status().message().find("rank 2 has not come within 1 s"), std::string::npos);
  end();
  expect(0, Code::CannotRun, "rank 2 has not come within 1 s");
}

TEST_F(RendezvousTest, AMissingRankZeroIsNamed) {
  listener = Descriptor();
  launch.startTimeout = 1s;
  EXPECT_NE(join(launch, rank(1), channels, never).status().message().find("does not reach rank 0 at 127.0.0.1"),
            std::string::npos);
}

TEST_F(RendezvousTest, AWrongSecretIsRefusedAloneOnBothSides) {
  launch.secret = "right";
  Launch wrong = launch;
  wrong.secret = "wrong";
  startRank(rank(2), wrong);
  std::thread others([&] {
    std::this_thread::sleep_for(300ms);
    startRank(rank(2), launch), startRank(rank(1), launch);
  });
  EXPECT_TRUE(rankZero().ok());
  others.join();
  end();
  expect(0, Code::CannotRun, "FTRUN_SECRET");
  EXPECT_TRUE(outcomes[1].ok() && outcomes[2].ok());
}

TEST_F(RendezvousTest, StrangersAreNoHindrance) {
  std::vector<Connection> strangers;
  for (const std::string &text : {std::string("GET / HTTP/1.1\r\n\r\n"), std::string(100000, '\0'), frame("x"),
                                  std::string(), std::string("\xff\xff\xff\xff")}) {
    strangers.push_back(std::move(*connectTo(launch.host, "", launch.port, 1s)));
    strangers.back().sendNow(text);
  }
  startRank(rank(1), launch), startRank(rank(2), launch);
  EXPECT_TRUE(rankZero().ok());
  end();
}

TEST_F(RendezvousTest, WhoTalksOnIsCutOff) {
  std::thread stranger([&] {
    const Connection connection = std::move(*connectTo(launch.host, "", launch.port, 1s));
    const std::string much(1 << 20, '\0');
    int sent = 0;
    while (sent < 256 && connection.send(much))
      ++sent;
    EXPECT_LT(sent, 256) << "all of it was read, or is kept";
    startRank(rank(1), launch), startRank(rank(2), launch);
  });
  EXPECT_TRUE(rankZero().ok());
  stranger.join();
  end();
}

TEST_F(RendezvousTest, TheSilentDoNotKeepTheDoor) {
  launch.startTimeout = 60s;
  std::vector<Connection> silent; // more than may wait there
  for (int i = 0; i < 300; ++i)
    silent.push_back(std::move(*connectTo(launch.host, "", launch.port, 1s)));
  startRank(rank(1), launch), startRank(rank(2), launch);
  EXPECT_TRUE(rankZero().ok());
  end();
  EXPECT_TRUE(outcomes[0].ok() && outcomes[1].ok());
}

TEST_F(RendezvousTest, WhereAListenerIsReached) {
  EXPECT_EQ(hostOf(listener), "127.0.0.1");
  auto anywhere = listenAt("somewhere.invalid", "", 0);
  ASSERT_TRUE(anywhere.ok()) << anywhere.status().message();
  EXPECT_TRUE(connectTo(hostOf(*anywhere), "", portOf(*anywhere), 1s).ok());
}

TEST_F(RendezvousTest, SomethingElseOnThePort) {
  std::thread other([&] {
    Descriptor accepted;
    while (!accepted)
      accepted = Descriptor(accept(listener.get(), nullptr, nullptr));
    Connection(std::move(accepted)).send("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
  });
  const Status status = join(launch, rank(1), channels, never).status();
  other.join();
  EXPECT_EQ(status.code(), Code::CannotRun);
  EXPECT_NE(status.message().find("no ftrun; FTRUN_PORT"), std::string::npos) << status.message();
}

TEST_F(RendezvousTest, APortThatIsTakenIsNamed) {
  const Status status = listenAt(launch.host, "", launch.port).status();
  EXPECT_EQ(status.code(), Code::CannotRun);
  EXPECT_NE(status.message().find(std::to_string(launch.port) + " of 127.0.0.1: Address already in use; FTRUN_PORT"),
            std::string::npos)
      << status.message();
}

TEST_F(RendezvousTest, AnInterfaceIsTakenByNameOrAddress) {
  for (const char *interface : {"lo", "127.0.0.1"}) {
    auto made = listenAt("somewhere.invalid", interface, 0);
    ASSERT_TRUE(made.ok()) << made.status().message();
    EXPECT_TRUE(connectTo("127.0.0.1", interface, portOf(*made), 1s).ok());
  }
  const Status status = listenAt("", "eth77", 0).status();
  EXPECT_NE(status.message().find("FTRUN_INTERFACE=eth77: this host has no such interface; it has lo"),
            std::string::npos)
      << status.message();
}

TEST_F(RendezvousTest, AStopEndsTheWaiting) {
  startRank(rank(1), launch);
  const auto start = Clock::now(); // rank 1 comes meanwhile
  const auto stop = [&] { return Clock::now() - start > 400ms; };
  EXPECT_EQ(gather(std::move(listener), launch, rank(0), channels, stop).status().code(), Code::Interrupted);
  end();
  expect(0, Code::Interrupted, "interrupted");
  EXPECT_EQ(join(launch, rank(1), channels, [] { return true; }).status().code(), Code::Interrupted);
}
