// ftrun as a user meets it: exit codes, interrupts, what it prints.
#include "runtime/Program/TinyPlan.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

using namespace ft::rt;
namespace fs = std::filesystem;

namespace {
class FtrunTest : public testing::Test {
protected:
  void SetUp() override {
    fs::remove_all(folder);
    fs::create_directories(folder);
    ASSERT_TRUE(TinyPlan::write(TinyPlan::make(1), plan));
  }

  /// Its output goes to `output`, or to the descriptor `to`; −1 closes both streams.
  static constexpr int toFile = -2;
  pid_t start(std::vector<std::string> arguments, int to = toFile) {
    arguments.insert(arguments.begin(), FTC_FTRUN);
    std::vector<char *> raw;
    for (std::string &argument : arguments)
      raw.push_back(argument.data());
    raw.push_back(nullptr);
    const pid_t child = fork();
    if (child == 0) {
      const int file = to == toFile ? open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666) : to;
      for (int stream : {1, 2})
        if (file < 0)
          close(stream);
        else
          dup2(file, stream);
      execv(raw[0], raw.data());
      _exit(127);
    }
    return child;
  }
  /// The exit code; −signal where a signal ended it.
  static int wait(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  int run(std::vector<std::string> arguments) { return wait(start(std::move(arguments))); }
  std::string text(const std::string &path) const {
    std::ostringstream stream;
    stream << std::ifstream(path).rdbuf();
    return stream.str();
  }
  pid_t startEndless() {
    const pid_t child = start({plan, "--model", "seeded:1", "--out", out, "--max-steps", "100000000"});
    for (int i = 0; i < 20000 && text(out + "/metrics.jsonl").size() < 500; ++i)
      usleep(1000);
    return child;
  }

  const std::string folder = testing::TempDir() + "ftrun-test", plan = folder + "/plan.bin", out = folder + "/out",
                    output = folder + "/output";
};
} // namespace

TEST_F(FtrunTest, Exits0AfterARun) {
  EXPECT_EQ(run({plan, "--model", "seeded:1", "--out", out, "--stop-after", "3", "--profile"}), 0);
  EXPECT_NE(text(output).find("train_loss"), std::string::npos);
  EXPECT_NE(text(output).find("launch/errors"), std::string::npos);
}

TEST_F(FtrunTest, Exits1OnBadInput) {
  const std::pair<std::vector<std::string>, const char *> cases[] = {
      {{}, "no plan"},
      {{plan}, "--model is missing"},
      {{"/nonexistent.bin", "--model", "seeded:1"}, "/nonexistent.bin"},
      {{plan, "--model", "seeded:1", "--unknown"}, "--unknown"},
      {{plan, "--model", "seeded:1", "--set", "learning_rat=1"}, "did you mean \"learning_rate\""},
      {{plan, "--model", "seeded:1", "--init-adapters", "maybe"}, "maybe"},
      {{plan, "--model", "seeded:1", "--adapter", ""}, "--adapter: is empty; name a path"},
      {{plan, "--tune", folder + "/new"}, "/new: the plan is for target cpu; products on a processor"},
      {{plan, "--tune", ""}, "--tune: is empty; name a path"},
      {{plan, "--model", "seeded:1", "--algorithms", folder + "/new"}, "/new: the plan is for target cpu; products"},
      {{plan, "--model", "seeded:1", "--max-steps", "-1"}, "-1 not in range 1 to 1000000000"},
      {{plan, "--model", "seeded:1", "--stop-after", "0"}, "0 not in range 1 to 1000000000"},
      {{plan, "--model", "seeded:1", "--threads", "1000000"}, "1000000 not in range 1 to 1024"},
  };
  for (const auto &[arguments, message] : cases) {
    EXPECT_EQ(run(arguments), 1) << message;
    EXPECT_NE(text(output).find(message), std::string::npos) << text(output);
  }
}

TEST_F(FtrunTest, TrainsOnWhereNobodyReadsWhatItPrints) {
  const std::vector<std::string> arguments = {plan,          "--model", "seeded:1", "--out",           out,
                                              "--max-steps", "100",     "--set",    "val_set_size=0.1"};
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  EXPECT_EQ(wait(start(arguments, ends[1])), 0);
  close(ends[1]);
  const std::string weights = text(out + "/model.safetensors");
  EXPECT_FALSE(weights.empty());
  fs::remove_all(out);
  EXPECT_EQ(wait(start(arguments, -1)), 0); // closed: no file of the run may take the number of a standard stream
  EXPECT_EQ(text(out + "/model.safetensors"), weights);
  std::istringstream lines(text(out + "/metrics.jsonl"));
  for (std::string line; std::getline(lines, line);)
    EXPECT_EQ(line.substr(0, 8), "{\"step\":");
}

TEST_F(FtrunTest, Exits2WhereItCannotRun) {
  ft::plan::Plan large = TinyPlan::make(1);
  large.mutable_arenas(0)->set_size(uint64_t(1) << 45);
  TinyPlan::write(large, plan);
  EXPECT_EQ(run({plan, "--model", "seeded:1", "--out", out}), 2);
  EXPECT_NE(text(output).find("32.00 TiB"), std::string::npos) << text(output);
  EXPECT_FALSE(fs::exists(out));
}

TEST_F(FtrunTest, Exits2WhereTheMachineGivesNoThreads) {
  // Stacks of threads are address space, in kB.
  const std::string command = "ulimit -v 1000000; exec " FTC_FTRUN " '" + plan + "' --model seeded:1 --out '" + out +
                              "' --threads 512 > '" + output + "' 2>&1";
  const int status = std::system(command.c_str());
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 2) << text(output);
  EXPECT_NE(text(output).find("a team of 512 threads cannot be started"), std::string::npos) << text(output);
  EXPECT_FALSE(fs::exists(out));
}

TEST_F(FtrunTest, Exits3OnNumbersThatAreNotFinite) {
  ASSERT_EQ(run({plan, "--model", "seeded:1", "--out", out, "--max-steps", "1"}), 0);
  const std::string bad = folder + "/bad.safetensors", good = text(out + "/model.safetensors");
  std::ofstream(bad) << good.substr(0, good.size() - 4) << "\xff\xff\x7f\x7f"; // the largest of weights
  EXPECT_EQ(run({plan, "--model", bad, "--out", out, "--overwrite"}), 3);
  EXPECT_TRUE(fs::exists(out + "/failed-step-1/model.safetensors"));
}

TEST_F(FtrunTest, FirstInterruptSavesAndExits4) {
  const pid_t child = startEndless();
  kill(child, SIGINT);
  EXPECT_EQ(wait(child), 4) << text(output);
  EXPECT_TRUE(fs::exists(out + "/model.safetensors"));
  EXPECT_NE(text(out + "/summary.json").find("\"interrupted\": true"), std::string::npos);
}

TEST_F(FtrunTest, SecondInterruptExits130WithoutPartialFiles) {
  const pid_t child = startEndless();
  kill(child, SIGSTOP); // so that both signals wait for it
  std::ofstream(out + "/model.safetensors.tmp." + std::to_string(child) + ".0") << "partial";
  kill(child, SIGINT);
  kill(child, SIGTERM);
  kill(child, SIGCONT);
  EXPECT_EQ(wait(child), 130) << text(output);
  for (const auto &entry : fs::directory_iterator(out))
    EXPECT_EQ(entry.path().filename(), "metrics.jsonl");
}
