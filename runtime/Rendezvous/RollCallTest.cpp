// Who may take part in a run, without sockets.
#include "runtime/Rendezvous/RollCall.h"

#include "runtime/Rendezvous/Frames.h"

#include <gtest/gtest.h>

using namespace ft;
using namespace ft::rt;

namespace {
constexpr std::string_view nonce = "0123456789abcdef", helloNonce = "fedcba9876543210";

rendezvous::Fact fact(const std::string &name, const std::string &value, Code code) {
  rendezvous::Fact made;
  made.set_name(name), made.set_value(value), made.set_code(uint32_t(code)), made.set_way_out("make them equal");
  return made;
}

Attendance rank(uint32_t number, uint32_t world = 4) {
  Attendance own;
  own.rank = number, own.world = world, own.host = number < 2 ? "a" : "b", own.process = 100 + number;
  own.facts = {fact("plan", "1234", Code::BadInput), fact("library", "oneDNN 2.7", Code::CannotRun)};
  return own;
}

class RollCallTest : public testing::Test {
protected:
  Status come(const Attendance &who, uint32_t channel = 0, std::string_view secret = "s") {
    FrameReader reader;
    EXPECT_TRUE(reader.feed(makeHello(who, channel, helloNonce, nonce, secret)));
    return roll.hear(nonce, *reader.next(), guest);
  }
  RollCall roll{rank(0), 1, "s"};
  RollCall::Guest guest;
};

void expectContains(const std::string &text, const std::string &part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}
} // namespace

TEST_F(RollCallTest, CompleteOnceAllHaveCome) {
  for (uint32_t number : {3, 1, 2}) {
    EXPECT_FALSE(roll.complete());
    ASSERT_TRUE(come(rank(number)).ok());
    EXPECT_EQ(guest.rank, number);
  }
  EXPECT_TRUE(roll.complete());
  EXPECT_TRUE(roll.failure().ok());
  FrameReader reader;
  ASSERT_TRUE(reader.feed(roll.answer(nonce, guest, {})));
  const std::string sealed = *reader.next();
  auto answer = readAnswer(sealed, helloNonce, nonce, "s");
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->code(), 0u);
  EXPECT_EQ(answer->host(), "a");
  EXPECT_EQ(answer->ranks_on_host(), 2u);
  EXPECT_FALSE(readAnswer(sealed, nonce, nonce, "s").ok()) << "an old answer to another hello";
  EXPECT_FALSE(readAnswer(sealed, helloNonce, nonce, "t").ok());
}

TEST_F(RollCallTest, ADifferenceIsNamedWithItsCode) {
  Attendance other = rank(3);
  other.facts[1].set_value("oneDNN 3.1");
  const Status refused = come(other);
  EXPECT_EQ(refused.code(), Code::CannotRun);
  EXPECT_EQ(refused.message(),
            "rank 3 (host b, process 103) has another library than rank 0: oneDNN 3.1 and not oneDNN "
            "2.7; make them equal");
  EXPECT_EQ(roll.failure().message(), refused.message());
  EXPECT_EQ(come(rank(2)).code(), Code::Ok) << "it is told when all are";
}

TEST_F(RollCallTest, AnotherPlanComesBeforeAnotherLibrary) {
  Attendance other = rank(2);
  other.facts[0].set_value("99"), other.facts[1].set_value("x");
  EXPECT_EQ(come(other).code(), Code::BadInput);
  expectContains(roll.failure().message(), "another plan");
}

TEST_F(RollCallTest, FactsThatAreMissingDiffer) {
  Attendance other = rank(2);
  other.facts.pop_back();
  expectContains(come(other).message(), "another library than rank 0: absent");
}

TEST_F(RollCallTest, AnotherWorld) {
  EXPECT_EQ(come(rank(4, 5)).code(), Code::BadInput);
  expectContains(roll.failure().message(), "a world of 5 ranks and rank 0 in one of 4");
}

TEST_F(RollCallTest, ARanksOwnProblemIsEverybodys) {
  Attendance other = rank(1);
  other.problem = badInput("--model /x: is not there\x1b[2J");
  EXPECT_EQ(come(other).code(), Code::BadInput);
  EXPECT_EQ(roll.failure().message(), "rank 1 (host a, process 101): --model /x: is not there\\x1b[2J");
}

TEST_F(RollCallTest, RankZerosOwnProblemToo) {
  Attendance own = rank(0);
  own.problem = cannotRun("no memory");
  EXPECT_EQ(RollCall(own, 1, "").failure().message(), "rank 0 (host a, process 100): no memory");
}

TEST_F(RollCallTest, WhoDoesNotKnowTheSecretIsRefusedAlone) {
  EXPECT_EQ(come(rank(3), 0, "other").code(), Code::CannotRun);
  EXPECT_EQ(come(rank(3), 0, "").code(), Code::CannotRun);
  EXPECT_TRUE(roll.failure().ok());
  expectContains(roll.missing("9 s"), "ranks 1, 2 and 3 have not come within 9 s; 2 connections were refused, the last "
                                      "since a process came whose FTRUN_SECRET is another");
  EXPECT_TRUE(come(rank(3)).ok());
}

TEST_F(RollCallTest, ASecondRankIsRefusedAlone) {
  ASSERT_TRUE(come(rank(3)).ok());
  const RollCall::Guest first = guest;
  Attendance second = rank(3);
  second.host = "c";
  EXPECT_EQ(come(second).code(), Code::CannotRun);
  expectContains(roll.missing("9 s"),
                 "a second rank 3 (host c, process 103) has come beside rank 3 (host b, process 103)");
  EXPECT_TRUE(roll.failure().ok());
  EXPECT_FALSE(come(rank(0)).ok()) << "nor a second rank 0";
  roll.gone(first);
  EXPECT_TRUE(come(second).ok()) << "started again";
}

TEST_F(RollCallTest, RanksAndChannelsBeyondTheWorldAreRefused) {
  EXPECT_FALSE(come(rank(4)).ok());
  EXPECT_FALSE(come(rank(3), 1).ok());
  EXPECT_FALSE(come(rank(UINT32_MAX)).ok());
  EXPECT_TRUE(roll.failure().ok());
}

TEST_F(RollCallTest, NoHelloAtAll) {
  for (const std::string &text : {std::string(), std::string("GET / HTTP/1.1"), seal("s", nonce, "\xff\xff"),
                                  seal("s", nonce, rendezvous::Hello().SerializeAsString())})
    EXPECT_EQ(roll.hear(nonce, text, guest).code(), Code::CannotRun);
  EXPECT_TRUE(roll.failure().ok());
}
