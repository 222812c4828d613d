// Ranks of one process, each on a thread of its own.
#include "runtime/Training/RankRun.h"
#include "runtime/Training/RunFixture.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <csignal>
#include <fcntl.h>
#include <unistd.h>

using namespace ft;
using namespace ft::rt;
namespace fs = std::filesystem;

namespace {
/// Where two threads meet at every question.
struct Meeting {
  std::barrier<> turn{2};
  uint64_t answer = 0;
  std::atomic<bool> well = true;  ///< each has said so whenever it was asked
  std::atomic<bool> left = false; ///< one of them asks no more
};

class OneOfTwo final : public Lockstep {
public:
  /// One that `fails` does so on its way to the first meeting.
  OneOfTwo(const Interrupts &interrupts, Meeting &meeting, bool zero, bool fails = false)
      : Lockstep(interrupts), meeting(meeting), zero(zero), fails(fails) {}
  ~OneOfTwo() override {
    meeting.left = true;
    meeting.turn.arrive_and_drop();
  }
  Status meet() override {
    if (fails)
      return cannotRun("this rank has no device");
    return fromRankZero(0).status();
  }
  Expected<bool> all(bool mine) override {
    if (!mine)
      meeting.well = false;
    FT_RETURN_IF_ERROR(meet());
    return meeting.well.load();
  }

protected:
  Expected<uint64_t> fromRankZero(uint64_t mine) override {
    if (zero)
      meeting.answer = mine;
    meeting.turn.arrive_and_wait();
    const uint64_t taken = meeting.answer;
    const bool left = meeting.left;
    meeting.turn.arrive_and_wait(); // both have read it
    if (left)
      return failed("the other rank is lost");
    return taken;
  }

private:
  Meeting &meeting;
  const bool zero, fails;
};

class RankRunTest : public RunFixture {
protected:
  RankRunTest() : RunFixture("rank-run-test") {}
  void SetUp() override {
    RunFixture::SetUp();
    options.settings.push_back("eval_steps=7");
    options.threads = 1;
    auto made = Interrupts::create([] {});
    ASSERT_TRUE(made.ok());
    interrupts = std::move(*made);
  }

  std::vector<double> numbers(const std::string &name, const char *key) const {
    std::vector<double> all;
    for (const nlohmann::json &json : jsonLines(name))
      if (json.contains(key))
        all.push_back(json[key]);
    return all;
  }
  std::vector<double> losses(const std::string &name) const { return numbers(name, "loss"); }
  size_t lines(const std::string &name) const {
    const std::string all = text(name);
    return static_cast<size_t>(std::count(all.begin(), all.end(), '\n'));
  }

  /// Rank 1 tells its own files what it does. The statuses of both. In a world of one both are rank 0, with all rows.
  std::pair<Status, Status> runTwo(uint32_t world, bool oneFails = false) {
    const int own[] = {open((folder + "/stdout").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666),
                       open((folder + "/rank-1.log").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666)};
    Console consoles[] = {Console(own[0]), Console(own[1])};
    auto inputs = openInputs(options, consoles[0]);
    EXPECT_TRUE(inputs.ok()) << inputs.status().message();
    inputs->world = world;
    Journal journals[] = {{consoles[0], 1}, {consoles[1], 1}};
    EXPECT_TRUE(journals[1].keepMetrics(folder + "/rank-1.jsonl").ok());
    RunOutputs outputs(*inputs, *interrupts, journals[0]);
    Meeting meeting;
    std::pair<Status, Status> ended;
    std::thread other([&] {
      OneOfTwo lockstep(*interrupts, meeting, false, oneFails);
      RankContext context{world - 1, *inputs, lockstep, journals[1], nullptr};
      context.onFailed = [&](const Status &) { told.push_back("failed"); };
      context.beforeFreed = [&] { told.push_back("about to be freed"); };
      ended.second = runRank(context);
    });
    {
      OneOfTwo lockstep(*interrupts, meeting, true);
      ended.first = runRank({0, *inputs, lockstep, journals[0], &outputs});
    }
    other.join();
    close(own[0]), close(own[1]);
    return ended;
  }

  std::unique_ptr<Interrupts> interrupts;
  std::vector<std::string> told; ///< by rank 1 to whoever runs it
};
} // namespace

TEST_F(RankRunTest, TwoRanksShareWhatTheyReadAndNothingElse) {
  const auto [zero, one] = runTwo(1);
  ASSERT_TRUE(zero.ok()) << zero.message();
  ASSERT_TRUE(one.ok()) << one.message();
  EXPECT_EQ(lines("out/metrics.jsonl"), 30u + 2 + 4);
  EXPECT_EQ(lines("rank-1.jsonl"), 30u + 2 + 4);
  EXPECT_EQ(told, std::vector<std::string>{"about to be freed"});
  EXPECT_NE(text("rank-1.log").find("eval_loss"), std::string::npos);
  for (const char *rankZeros : {"target cpu", "wrote "}) {
    EXPECT_NE(text("stdout").find(rankZeros), std::string::npos);
    EXPECT_EQ(text("rank-1.log").find(rankZeros), std::string::npos) << text("rank-1.log");
  }
  // On the same rows and without collectives each trains as a rank alone does.
  EXPECT_EQ(losses("rank-1.jsonl"), losses("out/metrics.jsonl"));
  const std::string together = text("out/model.safetensors");
  options.overwrite = true;
  const int nowhere = open("/dev/null", O_WRONLY);
  Console console(nowhere);
  ASSERT_TRUE(runPlan(options, *interrupts, console).ok());
  close(nowhere);
  EXPECT_EQ(text("out/model.safetensors"), together);
}

TEST_F(RankRunTest, RanksShareTheRowsOfAStep) {
  const auto [zero, one] = runTwo(2);
  ASSERT_TRUE(zero.ok() && one.ok()) << zero.message() << one.message();
  EXPECT_EQ(losses("out/metrics.jsonl").size(), 30u);
  EXPECT_NE(losses("rank-1.jsonl"), losses("out/metrics.jsonl"));
  for (const char *ofTheStep : {"tokens", "target_tokens"})
    EXPECT_EQ(numbers("rank-1.jsonl", ofTheStep), numbers("out/metrics.jsonl", ofTheStep)) << ofTheStep;
  EXPECT_NE(text("stdout").find("batch: 2 rows of 16 tokens on each of 2 ranks, 2 micro-batches a step; 128 tokens"),
            std::string::npos)
      << text("stdout");
}

TEST_F(RankRunTest, AnInterruptEndsBothBehindTheSameStep) {
  options.settings = {"max_steps=100000000", "val_set_size=0.1", "eval_steps=3"};
  std::thread killer([&] {
    while (text("rank-1.jsonl").size() < 5000)
      usleep(1000);
    kill(getpid(), SIGTERM);
  });
  const auto [zero, one] = runTwo(2);
  killer.join();
  EXPECT_EQ(zero.code(), Code::Interrupted) << zero.message();
  EXPECT_TRUE(one.ok()) << one.message();
  EXPECT_EQ(lines("rank-1.jsonl"), lines("out/metrics.jsonl"));
}

TEST_F(RankRunTest, RankZerosFolderIsRankZerosToRefuse) {
  fs::create_directories(options.out);
  std::ofstream(options.out + "/thesis.tex") << "mine";
  const auto [zero, one] = runTwo(2);
  EXPECT_EQ(zero.code(), Code::BadInput);
  EXPECT_NE(zero.message().find("no run of ftrun wrote"), std::string::npos) << zero.message();
  EXPECT_EQ(one.message(), "the other rank is lost");
  EXPECT_EQ(lines("rank-1.jsonl"), 0u) << "it trained on";
}

TEST_F(RankRunTest, ARunThatAnyRankRefusesLeavesNoFolder) {
  const auto [zero, one] = runTwo(2, true);
  EXPECT_EQ(one.message(), "this rank has no device");
  EXPECT_EQ(zero.message(), "the other rank is lost");
  EXPECT_FALSE(fs::exists(options.out));
  EXPECT_EQ(told, (std::vector<std::string>{"failed", "about to be freed"}));
}
