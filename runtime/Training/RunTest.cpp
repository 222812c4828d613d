// runPlan from plan.bin to the files that it leaves.
#include "runtime/Training/RunFixture.h"

#include <csignal>
#include <fcntl.h>
#include <functional>
#include <unistd.h>

using namespace ft;
using namespace ft::rt;
namespace fs = std::filesystem;

namespace {
class RunTest : public RunFixture {
protected:
  RunTest() : RunFixture("run-test") {}

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
  /// Ended by a signal once it trains, behind what `first` does.
  Status runInterrupted(const std::function<void()> &first) {
    // A thread made before the run would take the signal with it, and die of it.
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, &old);
    std::thread killer([&] {
      while (text("out/metrics.jsonl").size() < 1000)
        usleep(1000);
      first();
      kill(getpid(), SIGTERM);
    });
    Status status = run();
    killer.join();
    pthread_sigmask(SIG_SETMASK, &old, nullptr);
    return status;
  }
  std::vector<nlohmann::json> metrics() const { return jsonLines("out/metrics.jsonl"); }
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
  for (const char *part : {"target cpu", "weights", "made 76 B of weights in ", "training data", "steps an epoch",
                           "eval_loss", "predicted", "measured peak", "wrote "})
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

TEST_F(RunTest, SaysWhereARateMovesNothing) {
  options.settings = {"learning_rate=1e-50"};
  ASSERT_TRUE(run().ok());
  EXPECT_NE(text("stdout").find("note: learning_rate is 1e-50: next to no weight moves; is its exponent right?"),
            std::string::npos);
}

TEST_F(RunTest, SaysWhereWarmUpTakesTheWholeRun) {
  options.settings = {"warmup_steps=60"};
  ASSERT_TRUE(run().ok());
  EXPECT_NE(text("stdout").find("note: warm-up takes 60 steps, and the run has 60: the learning rate never reaches 10"),
            std::string::npos);
  options.overwrite = true;
  options.settings = {"warmup_steps=59"};
  ASSERT_TRUE(run().ok());
  EXPECT_EQ(text("stdout").find("warm-up"), std::string::npos);
}

TEST_F(RunTest, SaysAllThatItWasMadeFrom) {
  plan::Plan plan = TinyPlan::make(2);
  plan::Text *recipe = plan.add_texts();
  recipe->set_file("recipe.resolved.textproto");
  recipe->set_content("seed: 42\n");
  ASSERT_TRUE(TinyPlan::write(plan, options.plan));
  options.maxSteps = 3;
  ASSERT_TRUE(run().ok());
  EXPECT_EQ(text("out/recipe.resolved.textproto"), "seed: 42\n# ftrun --set val_set_size=0.1\n"
                                                   "# ftrun --set max_steps=30\n# ftrun --max-steps 3\n");
  EXPECT_NE(text("stdout").find("recipe:\n  seed: 42\n"), std::string::npos) << text("stdout");
}

TEST_F(RunTest, KeepsTokenizerFilesOfAWholeModel) {
  ASSERT_TRUE(run().ok());
  std::ofstream(folder + "/out/tokenizer.json") << "{}";
  std::ofstream(folder + "/out/notes.txt") << "mine";
  options.model = folder + "/out";
  options.out = folder + "/next";
  Status status = run();
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(text("next/tokenizer.json"), "{}");
  EXPECT_FALSE(fs::exists(folder + "/next/notes.txt"));
}

TEST_F(RunTest, NamesOnlyFilesOfItsOwn) {
  fs::create_directories(folder + "/out");
  std::ofstream(folder + "/out/thesis.txt") << "mine";
  options.overwrite = true;
  ASSERT_TRUE(run().ok());
  EXPECT_NE(text("stdout").find("wrote " + folder + "/out/summary.json"), std::string::npos);
  EXPECT_EQ(text("stdout").find("thesis"), std::string::npos);
}

TEST_F(RunTest, RefusesToWriteOverWhatItReads) {
  ASSERT_TRUE(run().ok());
  options.overwrite = true;
  for (const std::string model : {"/out", "/out/model.safetensors"}) {
    options.model = folder + model;
    Status status = run();
    EXPECT_EQ(status.code(), Code::BadInput);
    EXPECT_NE(status.message().find("holds what --model reads"), std::string::npos) << status.message();
    EXPECT_TRUE(fs::exists(folder + "/out/model.safetensors"));
  }
}

TEST_F(RunTest, DumpsTheFirstStepsGradients) {
  options.stopAfter = 1;
  options.dumpGradients = folder + "/gradients";
  ASSERT_TRUE(run().ok());
  const std::string file = text("gradients/gradients.safetensors");
  EXPECT_NE(file.find("table.weight"), std::string::npos);
  const std::string numbers = file.substr(file.size() - 4 * TinyPlan::vocab);
  EXPECT_NE(numbers, std::string(numbers.size(), '\0'));
  options.dumpGradients = options.plan + "/below-a-file";
  options.overwrite = true;
  EXPECT_EQ(run().code(), Code::BadInput);
}

TEST_F(RunTest, SavesTheLastGoodStateWhereNumbersAreNotFinite) {
  ASSERT_TRUE(run().ok());
  // The largest of weights, in the exported table's last bytes.
  const std::string bad = folder + "/bad.safetensors", good = text("out/model.safetensors");
  std::ofstream(bad) << good.substr(0, good.size() - 4) << "\xff\xff\x7f\x7f";
  options.model = bad, options.overwrite = true;
  Status status = run();
  EXPECT_EQ(status.code(), Code::Failed);
  EXPECT_NE(status.message().find(": the loss is not finite; the model was not updated"), std::string::npos)
      << status.message();
  EXPECT_TRUE(fs::exists(folder + "/out/failed-step-1/model.safetensors"));
  EXPECT_NE(text("stdout").find("wrote " + folder + "/out/failed-step-1/model.safetensors"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder + "/out/model.safetensors"));
  EXPECT_EQ(nlohmann::json::parse(text("out/summary.json"))["failed"]["step"], 1);
}

TEST_F(RunTest, ABaseThatIsNotFiniteLeavesNoFolder) {
  ASSERT_TRUE(run().ok());
  const std::string bad = folder + "/bad.safetensors", good = text("out/model.safetensors");
  std::ofstream(bad) << good.substr(0, good.size() - 4) << std::string(4, '\xff');
  options.model = bad, options.out = folder + "/next";
  Status status = run();
  EXPECT_EQ(status.code(), Code::BadInput);
  EXPECT_NE(status.message().find("bad.safetensors: tensor \"table.weight\": element"), std::string::npos)
      << status.message();
  EXPECT_FALSE(fs::exists(folder + "/next"));
}

TEST_F(RunTest, SavesWhereItIsInterrupted) {
  options.settings = {"max_steps=100000000"};
  Status status = runInterrupted([] {});
  EXPECT_EQ(status.code(), Code::Interrupted) << status.message();
  EXPECT_TRUE(fs::exists(folder + "/out/model.safetensors"));
  const auto summary = nlohmann::json::parse(text("out/summary.json"));
  EXPECT_EQ(summary["interrupted"], true);
  EXPECT_EQ(summary["steps"], metrics().size());
}

TEST_F(RunTest, LeavesItsResultsWhereTheFolderWasRemoved) {
  options.settings = {"max_steps=100000000"};
  Status status = runInterrupted([&] { fs::remove_all(folder + "/out"); });
  EXPECT_EQ(status.code(), Code::Interrupted) << status.message();
  EXPECT_TRUE(fs::exists(folder + "/out/model.safetensors"));
  EXPECT_TRUE(fs::exists(folder + "/out/summary.json"));
  EXPECT_NE(text("stdout").find("/out was removed while the run was in it"), std::string::npos) << text("stdout");
}

TEST_F(RunTest, RefusesBeforeItWritesAnything) {
  const std::tuple<const char *, const char *, const char *> cases[] = {
      {"", "synthetic:1", "--model is missing"},
      {"/nonexistent", "synthetic:1", "/nonexistent"},
      {"seeded:1", "data.jsonl", "seeded:1 has none"},
  };
  options.gpu = 0;
  EXPECT_EQ(run().message(),
            "--gpu 0: the plan is for target cpu; leave --gpu out, or compile the recipe for a GPU with "
            "ftc compile --gpu NAME");
  options.gpu.reset();
  for (const auto &[model, data, message] : cases) {
    options.model = model, options.data = data;
    Status status = run();
    EXPECT_EQ(status.code(), Code::BadInput);
    EXPECT_NE(status.message().find(message), std::string::npos) << status.message();
    EXPECT_FALSE(fs::exists(folder + "/out"));
  }
}
