// A rank that is not rank 0: what it sees for itself never decides.
#include "runtime/Program/TinyPlan.h"
#include "runtime/Training/Generator.h"
#include "runtime/Training/TinyData.h"
#include "runtime/Training/Trainer.h"

#include <gtest/gtest.h>

#include <csignal>
#include <fcntl.h>
#include <unistd.h>

using namespace ft;
using namespace ft::rt;

namespace {
/// Answers in place of rank 0, counting the questions.
class Follower final : public Lockstep {
public:
  using Answer = std::function<Expected<uint64_t>(uint64_t question)>;
  Follower(const Interrupts &interrupts, Answer answer) : Lockstep(interrupts), answer(std::move(answer)) {}
  Status meet() override { return {}; }
  Expected<bool> all(bool mine) override { return mine; }
  std::vector<uint64_t> own;

protected:
  Expected<uint64_t> fromRankZero(uint64_t mine) override {
    own.push_back(mine);
    return answer(own.size());
  }

private:
  const Answer answer;
};

class LockstepTest : public testing::Test {
protected:
  void SetUp() override {
    auto made = Interrupts::create([] {});
    ASSERT_TRUE(made.ok());
    interrupts = std::move(*made);
    file = TinyPlan::write(TinyPlan::make(1), testing::TempDir() + "lockstep-test.bin");
    auto loaded = RankProgram::load(*file, std::move(*openCpuDevice(1)), {});
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    program = std::move(*loaded);
  }

  Expected<TrainingResult> train(uint64_t steps, Lockstep &lockstep) {
    auto feed = BatchFeed::training(file->plan, tinyData(8), 42);
    EXPECT_TRUE(feed.ok());
    const int nowhere = open("/dev/null", O_WRONLY);
    Console console(nowhere);
    Journal journal(console, 1);
    plan::Run run;
    run.set_learning_rate(1), run.set_lr_scheduler_type("constant");
    TrainerOptions options;
    options.totalSteps = steps;
    auto result = Trainer(*program, **feed, nullptr, *Schedule::create(run, steps), options, journal, lockstep).run();
    close(nowhere);
    return result;
  }

  std::unique_ptr<Interrupts> interrupts;
  std::unique_ptr<PlanFile> file;
  std::unique_ptr<RankProgram> program;
};
} // namespace

TEST_F(LockstepTest, OneRankAgreesWithItself) {
  OneRank alone(*interrupts);
  EXPECT_TRUE(alone.meet().ok());
  EXPECT_FALSE(*alone.ends());
  EXPECT_TRUE(*alone.ends(true));
  EXPECT_EQ(*alone.token(7), 7u);
  kill(getpid(), SIGINT);
  while (!interrupts->requested())
    usleep(100);
  EXPECT_TRUE(*alone.ends());
}

TEST_F(LockstepTest, TrainingEndsBehindRankZerosLastStep) {
  for (uint64_t steps : {3, 100}) { // it would stop before, and behind
    Follower follower(*interrupts, [](uint64_t question) { return uint64_t(question == 5); });
    auto result = train(steps, follower);
    ASSERT_TRUE(result.ok()) << result.status().message();
    EXPECT_EQ(result->steps, 5u);
    EXPECT_EQ(result->interrupted, steps == 100);
    EXPECT_EQ(follower.own, (steps == 3 ? std::vector<uint64_t>{0, 0, 1, 1, 1} : std::vector<uint64_t>(5)))
        << "one question a step";
  }
}

TEST_F(LockstepTest, AnInterruptThatRankZeroDidNotSeeChangesNothing) {
  kill(getpid(), SIGINT);
  while (!interrupts->requested())
    usleep(100);
  Follower follower(*interrupts, [](uint64_t question) { return uint64_t(question == 4); });
  EXPECT_EQ(train(100, follower)->steps, 4u);
  EXPECT_EQ(follower.own, std::vector<uint64_t>(4, 1));
}

TEST_F(LockstepTest, AnEvaluationEndsWhereRankZerosDoes) {
  auto feed = BatchFeed::evaluation(file->plan, tinyData(8));
  ASSERT_TRUE(feed.ok());
  Follower whole(*interrupts, [](uint64_t) { return uint64_t(0); });
  auto metrics = evaluate(*program, **feed, 0, whole);
  ASSERT_TRUE(metrics.ok());
  EXPECT_TRUE(*metrics);
  EXPECT_EQ(whole.own.size(), 8 / TinyPlan::rows + 1u) << "one question a micro-batch, and one behind the last";
  Follower early(*interrupts, [](uint64_t question) { return uint64_t(question == 3); });
  metrics = evaluate(*program, **feed, 0, early);
  ASSERT_TRUE(metrics.ok());
  EXPECT_FALSE(*metrics);
  EXPECT_EQ(early.own.size(), 3u);
}

TEST_F(LockstepTest, GenerationGoesOnWithRankZerosToken) {
  auto generator = Generator::create(*program);
  ASSERT_TRUE(generator.ok()) << generator.status().message();
  const uint32_t prompt[] = {1, 4};
  // In turns whether it goes on, and the token.
  Follower follower(*interrupts, [](uint64_t question) { return question % 2 ? question == 9 : question + 2; });
  auto answer = generator->generate(
      prompt, 100, [](uint32_t id) { return id == 16; }, follower);
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_EQ(answer->ids, (std::vector<uint32_t>{4, 6, 8, 10}));
  EXPECT_FALSE(answer->ended);
  Follower end(*interrupts, [](uint64_t question) { return question % 2 ? 0 : question == 4 ? 16 : 3; });
  answer = generator->generate(
      prompt, 100, [](uint32_t id) { return id == 16; }, end);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->ids, std::vector<uint32_t>{3});
  EXPECT_TRUE(answer->ended);
}

TEST_F(LockstepTest, ALostRankEndsEveryLoop) {
  Follower lost(*interrupts, [](uint64_t) { return failed("rank 1 is lost"); });
  EXPECT_EQ(train(100, lost).status().message(), "rank 1 is lost");
  auto feed = BatchFeed::evaluation(file->plan, tinyData(8));
  EXPECT_EQ(evaluate(*program, **feed, 0, lost).status().message(), "rank 1 is lost");
  const uint32_t prompt[] = {1, 4};
  auto answer = Generator::create(*program)->generate(
      prompt, 100, [](uint32_t) { return false; }, lost);
  EXPECT_EQ(answer.status().message(), "rank 1 is lost");
}
