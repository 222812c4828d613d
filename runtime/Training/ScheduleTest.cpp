#include "runtime/Training/Schedule.h"

#include <gtest/gtest.h>

using namespace ft;
using namespace ft::rt;

namespace {
plan::Run makeRun(const char *type, uint64_t warmup) {
  plan::Run run;
  run.set_learning_rate(5e-4);
  run.set_lr_scheduler_type(type);
  run.set_warmup_steps(warmup);
  return run;
}
} // namespace

// Expected values: transformers 5.23, get_scheduler(type, optimizer, 5, 40), get_last_lr() before each step.
TEST(Schedule, LinearWithWarmup) {
  auto schedule = Schedule::create(makeRun("linear", 5), 40);
  ASSERT_TRUE(schedule.ok());
  EXPECT_DOUBLE_EQ(schedule->learningRate(1), 0.0);
  EXPECT_DOUBLE_EQ(schedule->learningRate(2), 1e-4);
  EXPECT_DOUBLE_EQ(schedule->learningRate(6), 5e-4);
  EXPECT_DOUBLE_EQ(schedule->learningRate(7), 5e-4 * 34 / 35);
  EXPECT_DOUBLE_EQ(schedule->learningRate(40), 5e-4 * 1 / 35);
}

TEST(Schedule, CosineWithWarmup) {
  auto schedule = Schedule::create(makeRun("cosine", 5), 40);
  ASSERT_TRUE(schedule.ok());
  EXPECT_DOUBLE_EQ(schedule->learningRate(1), 0.0);
  EXPECT_DOUBLE_EQ(schedule->learningRate(5), 4e-4);
  EXPECT_DOUBLE_EQ(schedule->learningRate(6), 5e-4);
  EXPECT_DOUBLE_EQ(schedule->learningRate(13), 0.0004522542485937369);
  EXPECT_DOUBLE_EQ(schedule->learningRate(40), 1.006426501190233e-06);
}

TEST(Schedule, ConstantStaysAfterTheWarmup) {
  auto schedule = Schedule::create(makeRun("constant", 2), 10);
  ASSERT_TRUE(schedule.ok());
  EXPECT_DOUBLE_EQ(schedule->learningRate(1), 0.0);
  EXPECT_DOUBLE_EQ(schedule->learningRate(2), 2.5e-4);
  EXPECT_DOUBLE_EQ(schedule->learningRate(10), 5e-4);
}

TEST(Schedule, RatioRoundsUpAndStepsWin) {
  plan::Run run = makeRun("linear", 0);
  run.set_warmup_ratio(0.11);
  EXPECT_EQ(Schedule::create(run, 40)->warmupSteps(), 5u);
  run.set_warmup_ratio(1);
  EXPECT_EQ(Schedule::create(run, UINT64_MAX)->warmupSteps(), uint64_t(1) << 63);
  run.set_warmup_steps(2);
  EXPECT_EQ(Schedule::create(run, 40)->warmupSteps(), 2u);
  EXPECT_DOUBLE_EQ(Schedule::create(makeRun("linear", 0), 40)->learningRate(1), 5e-4);
}

TEST(Schedule, RefusesAnUnknownName) {
  auto schedule = Schedule::create(makeRun("cosin", 0), 10);
  ASSERT_FALSE(schedule.ok());
  EXPECT_EQ(schedule.status().message(),
            "lr_scheduler_type is \"cosin\"; must be constant, linear or cosine; did you mean \"cosine\"?");
}
