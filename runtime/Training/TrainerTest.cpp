// The loop on a hand-made plan, against the same arithmetic on the host.
#include "runtime/Training/Trainer.h"
#include "runtime/Program/ReorderingDevice.h"
#include "runtime/Program/TinyPlan.h"
#include "runtime/Training/Generator.h"
#include "runtime/Training/TinyData.h"
#include "runtime/Weights/Load.h"

#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <unistd.h>

using namespace ft;
using namespace ft::rt;

namespace {
class TrainerTest : public testing::Test {
protected:
  void SetUp() override {
    auto made = Interrupts::create([] {});
    ASSERT_TRUE(made.ok());
    interrupts = std::move(*made);
    lockstep = std::make_unique<OneRank>(*interrupts);
    nowhere = open("/dev/null", O_WRONLY);
  }
  void TearDown() override { close(nowhere); }

  void load(const plan::Plan &plan, RankProgramOptions options = {}, uint32_t threads = 0) {
    evaluation.reset(), program.reset(), file.reset();
    file = TinyPlan::write(plan, testing::TempDir() + "trainer-test-plan.bin");
    auto opened = openCpuDevice(threads);
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    start(std::move(*opened), options);
  }

  /// Onto a GPU that runs its streams in that order.
  ReorderingDevice &loadOnGpu(uint64_t accumulation, ReorderingDevice::Order order, RankProgramOptions options = {}) {
    evaluation.reset(), program.reset(), file.reset();
    file = TinyPlan::write(TinyPlan::makeForGpu(accumulation), testing::TempDir() + "trainer-test-plan.bin");
    auto reordering = std::make_unique<ReorderingDevice>(std::move(*openCpuDevice(1)), order);
    ReorderingDevice &gpu = *reordering;
    start(std::move(reordering), options);
    return gpu;
  }

  void start(std::unique_ptr<Device> device, RankProgramOptions options) {
    auto made = RankProgram::load(*file, std::move(device), options);
    ASSERT_TRUE(made.ok()) << made.status().message();
    program = std::move(*made);
    fill();
  }

  void fill() {
    auto model = ModelSource::open("seeded:5");
    LoadOptions options;
    options.seed = 42;
    options.section = [&](uint32_t index) { return file->section(index); };
    LoadTarget target;
    target.hostBuffer = [&](uint32_t b) { return reinterpret_cast<std::byte *>(program->arenas().bufferAddress(b)); };
    Status status = loadModel(file->plan, *model, options, target);
    ASSERT_TRUE(status.ok()) << status.message();
  }

  TrainingResult train(TrainerOptions options, double rate = 10, std::shared_ptr<const TokenFile> held = nullptr) {
    auto feed = BatchFeed::training(file->plan, tinyData(8), 42);
    EXPECT_TRUE(feed.ok()) << feed.status().message();
    if (held) {
      auto made = BatchFeed::evaluation(file->plan, held);
      EXPECT_TRUE(made.ok()) << made.status().message();
      evaluation = std::move(*made);
    }
    plan::Run run;
    run.set_learning_rate(rate), run.set_lr_scheduler_type("constant");
    Console console(nowhere);
    Journal journal(console, 1);
    EXPECT_TRUE(journal.keepMetrics(linesPath).ok());
    Trainer trainer(*program, **feed, evaluation.get(), *Schedule::create(run, options.totalSteps), options, journal,
                    *lockstep);
    auto result = trainer.run();
    EXPECT_TRUE(result.ok()) << result.status().message();
    return result.ok() ? *result : TrainingResult();
  }

  std::vector<float> weights() const {
    const auto *w = reinterpret_cast<const float *>(program->arenas().bufferAddress(0));
    return {w, w + TinyPlan::vocab};
  }

  std::unique_ptr<Interrupts> interrupts;
  std::unique_ptr<OneRank> lockstep;
  std::unique_ptr<PlanFile> file;
  std::unique_ptr<RankProgram> program;
  std::unique_ptr<BatchFeed> evaluation;
  const std::string linesPath = testing::TempDir() + "trainer-test.jsonl";
  int nowhere = -1;
};

/// One step of the model on the host: mean loss, and w after it.
double hostStep(std::vector<double> &w, BatchSource &source, const HostRecord *records, uint64_t microBatches,
                double rate) {
  std::vector<double> gradient(TinyPlan::vocab);
  double loss = 0;
  for (uint64_t i = 0; i < microBatches; ++i) {
    const Batch *batch = source.take();
    const BatchRecord &record = records[batch->slot].pointers();
    for (uint32_t t = 0; t < TinyPlan::rows * TinyPlan::sequenceLen; ++t) {
      if (record.labels[t] < 0)
        continue;
      const double error = w[record.tokens[t]] - double(record.labels[t]) / TinyPlan::vocab;
      loss += 0.5 * error * error / double(batch->info.stepTargets);
      gradient[record.tokens[t]] += error / double(batch->info.stepTargets);
    }
    source.release();
  }
  for (size_t v = 0; v < w.size(); ++v)
    w[v] -= rate * gradient[v];
  return loss;
}
} // namespace

TEST_F(TrainerTest, FollowsTheSameStepsOnTheHost) {
  for (uint64_t accumulation : {1, 3}) {
    load(TinyPlan::make(accumulation));
    const std::vector<float> start = weights();
    std::vector<double> w(start.begin(), start.end());
    EXPECT_NE(w[0], 0.0);
    auto shape = BatchShape::from(file->plan.batch());
    const HostRecord records[2] = {{file->plan, *shape}, {file->plan, *shape}};
    auto source = BatchSource::training(tinyData(8), *shape, {records[0].pointers(), records[1].pointers()}, 42);
    ASSERT_TRUE(source.ok());
    double sum = 0;
    for (int step = 0; step < 7; ++step)
      sum += hostStep(w, **source, records, accumulation, 10);
    TrainerOptions options;
    options.totalSteps = 7;
    const TrainingResult result = train(options);
    EXPECT_EQ(result.steps, 7u);
    EXPECT_FALSE(result.interrupted || result.bad);
    // f32 sums of at most 96 errors below 2, seven steps: 7 · 96 · 2⁻²⁴ · rate.
    EXPECT_NEAR(result.meanLoss, sum / 7, 1e-4 * sum / 7);
    for (uint32_t v = 0; v < TinyPlan::vocab; ++v)
      EXPECT_NEAR(weights()[v], w[v], 4e-4) << v;
  }
}

TEST_F(TrainerTest, PoisonAndThreadsChangeNoBit) {
  TrainerOptions options;
  options.totalSteps = 20;
  load(TinyPlan::make(2));
  const double loss = train(options).meanLoss;
  const std::vector<float> clean = weights();
  RankProgramOptions poisoned;
  poisoned.poison = true;
  load(TinyPlan::make(2), poisoned, 1);
  EXPECT_EQ(train(options).meanLoss, loss);
  EXPECT_EQ(weights(), clean);
  EXPECT_TRUE(std::isnan(*reinterpret_cast<float *>(program->arenas().bufferAddress(4)))) << "nothing was poisoned";
}

TEST_F(TrainerTest, EventsAloneOrderRecordsAndSegments) {
  using Order = ReorderingDevice::Order;
  TrainerOptions options;
  options.totalSteps = 20, options.evalSteps = 6;
  for (uint64_t accumulation : {1, 3}) {
    load(TinyPlan::make(accumulation));
    const double loss = train(options, 10, tinyData(7)).meanLoss;
    const std::vector<float> expected = weights();
    const double held = (*evaluate(*program, *evaluation, 20, *lockstep))->loss;
    for (Order order : {Order::LastFirst, Order::Lazy}) {
      SCOPED_TRACE(testing::Message() << "accumulation " << accumulation << ", order " << int(order));
      loadOnGpu(accumulation, order);
      EXPECT_EQ(train(options, 10, tinyData(7)).meanLoss, loss);
      EXPECT_EQ(weights(), expected);
      EXPECT_EQ((*evaluate(*program, *evaluation, 20, *lockstep))->loss, held);
    }
  }
}

TEST_F(TrainerTest, TheDeviceAlwaysHasMoreToDo) {
  TrainerOptions options;
  options.totalSteps = 20;
  for (uint64_t accumulation : {1, 3}) {
    const ReorderingDevice &gpu = loadOnGpu(accumulation, ReorderingDevice::Order::Lazy);
    const double seconds = train(options).seconds;
    EXPECT_EQ(gpu.timesRunDry(), 1u) << "it must be idle only when the last step is done";
    EXPECT_GT(program->waitedMs(), 0.0);
    EXPECT_LE(gpu.memoryQuestions(), 1 + static_cast<uint64_t>(seconds));
    auto feed = BatchFeed::evaluation(file->plan, tinyData(7));
    ASSERT_TRUE(evaluate(*program, **feed, 20, *lockstep).ok());
    EXPECT_EQ(gpu.timesRunDry(), 2u) << "the same of an evaluation's last batch";
  }
}

TEST_F(TrainerTest, AStepEndsWhenTheDeviceEndsIt) {
  TrainerOptions options;
  options.totalSteps = 20;
  for (uint64_t accumulation : {1, 3, 8}) {
    const ReorderingDevice &gpu = loadOnGpu(accumulation, ReorderingDevice::Order::Lazy);
    train(options);
    EXPECT_EQ(gpu.latestWait(), 0u) << "accumulation " << accumulation;
    // The device's time counts its work, of which every step has as much, the first and the last as well.
    std::set<double> times;
    std::ifstream metrics(linesPath);
    for (std::string line; std::getline(metrics, line);)
      times.insert(nlohmann::json::parse(line)["step_ms"].get<double>());
    ASSERT_EQ(times.size(), 1u);
    EXPECT_GE(*times.begin(), 3.0 * accumulation);
  }
}

TEST_F(TrainerTest, PoisonFindsAReadThatIsNotDeclared) {
  // The gradient kernel's read of `error` is hidden behind another buffer's declaration: the value looks dead before.
  plan::Plan plan = TinyPlan::make(1);
  for (int segment : {0, 1}) // launches of a kernel declare the same
    for (plan::Step &step : *plan.mutable_segments(segment)->mutable_steps())
      if (step.name() == "gradient") {
        // Reading version 0 is "not read", so that the poison schedule believes it is a write of its own scratch.
        plan::Operand &hidden = *step.mutable_launch()->mutable_operands(0);
        hidden.set_read(0);
        hidden.set_write(2);
        plan.mutable_kernels(int(step.launch().kernel()))->mutable_operands(0)->set_written(true);
      }
  TrainerOptions options;
  options.totalSteps = 3;
  load(plan);
  EXPECT_FALSE(train(options).bad);
  RankProgramOptions poisoned;
  poisoned.poison = true;
  load(plan, poisoned);
  EXPECT_TRUE(train(options).bad);
}

TEST_F(TrainerTest, StopsAtANumberThatIsNotFiniteWithoutAnUpdate) {
  load(TinyPlan::make(3));
  TrainerOptions options;
  options.totalSteps = 10;
  const TrainingResult result = train(options, 1e39); // w overflows in the first update
  ASSERT_TRUE(result.bad);
  EXPECT_EQ(result.bad->step, 2u);
  EXPECT_EQ(result.bad->microBatch, 2u);
  EXPECT_FALSE(result.bad->gradNorm);
  EXPECT_EQ(result.steps, 1u);
}

TEST_F(TrainerTest, StopAfterKeepsTheHorizon) {
  load(TinyPlan::make(1));
  TrainerOptions options;
  options.totalSteps = 10, options.stopAfter = 4;
  EXPECT_EQ(train(options).steps, 4u);
}

TEST_F(TrainerTest, RunsTheHookOnceBeforeTheFirstUpdate) {
  load(TinyPlan::make(2));
  const std::vector<float> start = weights();
  int calls = 0;
  TrainerOptions options;
  options.totalSteps = 3;
  options.beforeFirstUpdate = [&]() -> Status {
    ++calls;
    EXPECT_EQ(weights(), start);
    const auto *gradient = reinterpret_cast<const float *>(program->arenas().bufferAddress(3));
    EXPECT_NE(gradient[0], 0.0f);
    return {};
  };
  train(options);
  EXPECT_EQ(calls, 1);
}

TEST_F(TrainerTest, InterruptFinishesTheStep) {
  load(TinyPlan::make(1));
  TrainerOptions options;
  options.totalSteps = 1000000;
  options.beforeFirstUpdate = [&]() -> Status {
    kill(getpid(), SIGINT);
    while (!interrupts->requested())
      usleep(100);
    return {};
  };
  const TrainingResult result = train(options);
  EXPECT_TRUE(result.interrupted);
  EXPECT_EQ(result.steps, 1u);
}

TEST_F(TrainerTest, EvaluatesTheWholeSplitAndLearnsIt) {
  load(TinyPlan::make(1));
  auto feed = BatchFeed::evaluation(file->plan, tinyData(5)); // the last micro-batch is half padding
  ASSERT_TRUE(feed.ok());
  auto before = evaluate(*program, **feed, 0, *lockstep);
  ASSERT_TRUE(before.ok() && *before);
  double sum = 0;
  uint64_t targets = 0;
  const auto data = tinyData(5);
  for (uint64_t r = 0; r < data->rows(); ++r)
    for (uint32_t t = 0; t + 1 < TinyPlan::sequenceLen; ++t)
      if (data->row(r).isTarget(t)) {
        const double error = weights()[data->row(r).tokens[t]] - data->row(r).tokens[t + 1] / double(TinyPlan::vocab);
        sum += 0.5 * error * error, ++targets;
      }
  EXPECT_EQ((*before)->targetTokens, targets);
  EXPECT_NEAR((*before)->loss, sum / double(targets), 1e-6 * sum / double(targets));
  TrainerOptions options;
  options.totalSteps = 400;
  options.evalSteps = 100;
  train(options, 10, tinyData(5));
  auto after = evaluate(*program, **feed, 400, *lockstep);
  ASSERT_TRUE(after.ok() && *after);
  EXPECT_LT((*after)->loss, 0.01 * (*before)->loss);
}

TEST_F(TrainerTest, GeneratesWhatItLearned) {
  load(TinyPlan::make(1));
  TrainerOptions options;
  options.totalSteps = 400;
  train(options);
  auto generator = Generator::create(*program);
  ASSERT_TRUE(generator.ok()) << generator.status().message();
  const uint32_t prompt[] = {1, 4};
  auto answer = generator->generate(
      prompt, 100, [](uint32_t id) { return id == 16; }, *lockstep);
  ASSERT_TRUE(answer.ok()) << answer.status().message();
  // 4 → 13 → 2 → 7 → 3 → 10 → 12 → 18 → 17 → 14 → 5 → 16
  EXPECT_EQ(answer->ids, (std::vector<uint32_t>{13, 2, 7, 3, 10, 12, 18, 17, 14, 5}));
  EXPECT_TRUE(answer->ended);
  auto cut = generator->generate(
      prompt, 3, [](uint32_t) { return false; }, *lockstep);
  ASSERT_TRUE(cut.ok());
  EXPECT_EQ(cut->ids, (std::vector<uint32_t>{13, 2, 7}));
  EXPECT_FALSE(cut->ended);
  auto full = generator->generate(
      prompt, 1000, [](uint32_t) { return false; }, *lockstep);
  ASSERT_TRUE(full.ok());
  EXPECT_EQ(full->ids.size(), TinyPlan::sequenceLen - 2u);
  EXPECT_FALSE(generator
                   ->generate(
                       {}, 3, [](uint32_t) { return false; }, *lockstep)
                   .ok());
}

TEST_F(TrainerTest, MeasuresByKindOfStep) {
  RankProgramOptions options;
  options.profile = true;
  TrainerOptions steps;
  steps.totalSteps = 5;
  for (bool graphs : {false, true}) {
    if (graphs)
      loadOnGpu(2, ReorderingDevice::Order::Lazy, options);
    else
      load(TinyPlan::make(2), options);
    train(steps);
    const Profile &profile = program->profile();
    EXPECT_EQ(profile.at("launch").calls, 5u * (2 * 3 + 1));
    EXPECT_EQ(profile.at("launch/errors").calls, 10u);
    EXPECT_EQ(profile.at("memset").calls, 10u);
    for (const auto &[name, entry] : profile)
      EXPECT_GT(entry.ms, 0.0) << name << (graphs ? " in graphs" : "");
  }
}
