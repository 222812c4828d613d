// runPlan from plan.bin to the files that it leaves.
#include "runtime/Executor/Run.h"

#include "runtime/Executor/TinyPlan.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <unistd.h>

using namespace ft;
using namespace ft::rt;
namespace fs = std::filesystem;

namespace {
class RunTest : public testing::Test {
protected:
  void SetUp() override {
    fs::remove_all(folder);
    fs::create_directories(folder);
    ASSERT_TRUE(TinyPlan::write(TinyPlan::make(2), folder + "/plan.bin"));
    options.plan = folder + "/plan.bin";
    options.model = "seeded:7";
    options.out = folder + "/out";
    options.settings = {"val_set_size=0.1", "max_steps=30"};
  }

  Status run() {
    auto interrupts = Interrupts::create([] {});
    if (!interrupts.ok())
      return interrupts.status();
    const int file = open((folder + "/stdout").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    Console console(file);
    Status status = runPlan(options, **interrupts, console);
    close(file);
    return status;
  }
  std::string text(const std::string &name) const {
    std::ostringstream stream;
    stream << std::ifstream(folder + "/" + name).rdbuf();
    return stream.str();
  }
  std::vector<nlohmann::json> metrics() const {
    std::vector<nlohmann::json> lines;
    std::istringstream stream(text("out/metrics.jsonl"));
    for (std::string line; std::getline(stream, line);)
      lines.push_back(nlohmann::json::parse(line));
    return lines;
  }

  const std::string folder = testing::TempDir() + "run-test";
  RunOptions options;
};
} // namespace

TEST_F(RunTest, LeavesWeightsTextsMetricsAndSummary) {
  Status status = run();
  ASSERT_TRUE(status.ok()) << status.message();
  for (const char *name : {"model.safetensors", "config.json", "metrics.jsonl", "summary.json"})
    EXPECT_TRUE(fs::exists(folder + "/out/" + name)) << name;
  const auto lines = metrics();
  ASSERT_EQ(lines.size(), 32u); // 30 steps, evaluation before and after
  EXPECT_EQ(lines[1]["step"], 1);
  EXPECT_EQ(lines[30]["step"], 30);
  EXPECT_EQ(lines[1]["learning_rate"], 10.0);
  EXPECT_LT(lines[31]["eval_loss"], lines[0]["eval_loss"]);
  const auto summary = nlohmann::json::parse(text("out/summary.json"));
  EXPECT_EQ(summary["steps"], 30);
  EXPECT_EQ(summary["interrupted"], false);
  EXPECT_EQ(summary["eval_after"]["eval_loss"], lines[31]["eval_loss"]);
  EXPECT_EQ(summary["plan_sha256"].get<std::string>().size(), 64u);
  EXPECT_GT(summary["memory"]["measured_arenas_bytes"], 0);
  const std::string printed = text("stdout");
  for (const char *part : {"target cpu", "weights", "training data", "steps an epoch", "eval_loss", "predicted",
                           "measured peak", "wrote "})
    EXPECT_NE(printed.find(part), std::string::npos) << part << " is not in:\n" << printed;
}

TEST_F(RunTest, SameBitsAgainAndUnderPoison) {
  ASSERT_TRUE(run().ok());
  const std::string first = text("out/model.safetensors");
  EXPECT_EQ(run().code(), Code::BadInput) << "a finished folder must be refused";
  options.overwrite = true;
  options.poison = true;
  ASSERT_TRUE(run().ok());
  EXPECT_EQ(text("out/model.safetensors"), first);
  options.settings.push_back("seed=43"); // other batches
  ASSERT_TRUE(run().ok());
  EXPECT_NE(text("out/model.safetensors"), first);
}

TEST_F(RunTest, StopAfterAndMaxSteps) {
  options.maxSteps = 9;
  options.stopAfter = 4;
  ASSERT_TRUE(run().ok());
  const auto summary = nlohmann::json::parse(text("out/summary.json"));
  EXPECT_EQ(summary["steps"], 4);
  EXPECT_EQ(summary["max_steps"], 9);
}

TEST_F(RunTest, DumpsTheFirstStepsGradients) {
  options.stopAfter = 1;
  options.dumpGradients = folder + "/gradients";
  ASSERT_TRUE(run().ok());
  const std::string file = text("gradients/gradients.safetensors");
  EXPECT_NE(file.find("table.weight"), std::string::npos);
  const std::string numbers = file.substr(file.size() - 4 * TinyPlan::vocab);
  EXPECT_NE(numbers, std::string(numbers.size(), '\0'));
}

TEST_F(RunTest, SavesTheLastGoodStateWhereNumbersAreNotFinite) {
  options.settings.push_back("learning_rate=1e39");
  Status status = run();
  EXPECT_EQ(status.code(), Code::Failed);
  EXPECT_NE(status.message().find("step 2, micro-batch 1: the loss is not finite"), std::string::npos)
      << status.message();
  EXPECT_TRUE(fs::exists(folder + "/out/failed-step-2/model.safetensors"));
  EXPECT_FALSE(fs::exists(folder + "/out/model.safetensors"));
  EXPECT_EQ(nlohmann::json::parse(text("out/summary.json"))["failed"]["step"], 2);
}

TEST_F(RunTest, SavesWhereItIsInterrupted) {
  options.settings = {"max_steps=100000000"};
  // A thread made before the run would take the signal with it, and die of it.
  sigset_t set, old;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, &old);
  std::thread killer([&] {
    while (text("out/metrics.jsonl").size() < 1000)
      usleep(1000);
    kill(getpid(), SIGTERM);
  });
  Status status = run();
  killer.join();
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  EXPECT_EQ(status.code(), Code::Interrupted) << status.message();
  EXPECT_TRUE(fs::exists(folder + "/out/model.safetensors"));
  const auto summary = nlohmann::json::parse(text("out/summary.json"));
  EXPECT_EQ(summary["interrupted"], true);
  EXPECT_EQ(summary["steps"], metrics().size());
}

TEST_F(RunTest, RefusesBeforeItWritesAnything) {
  const std::tuple<const char *, const char *, const char *> cases[] = {
      {"", "synthetic:1", "--model is missing"},
      {"/nonexistent", "synthetic:1", "/nonexistent"},
      {"seeded:1", "data.jsonl", "seeded:1 has none"},
  };
  for (const auto &[model, data, message] : cases) {
    options.model = model, options.data = data;
    Status status = run();
    EXPECT_EQ(status.code(), Code::BadInput);
    EXPECT_NE(status.message().find(message), std::string::npos) << status.message();
    EXPECT_FALSE(fs::exists(folder + "/out"));
  }
}
