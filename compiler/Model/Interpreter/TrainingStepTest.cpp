// Accumulate and AddOptimizer, interpreted: sums over micro-batches, the update's formula, the sticky status, and the
// element types of the bf16 modes.
#include "compiler/Model/Interpreter/Testing.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

const char *config = R"({"model_type":"llama","vocab_size":19,"hidden_size":12,"intermediate_size":10,
  "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":4,"max_position_embeddings":64,
  "rms_norm_eps":1e-5,"tie_word_embeddings":true})";
constexpr const char *weight = "model.layers.1.mlp.down_proj.weight";

std::vector<std::string> names(ModuleOp module, Role role) {
  std::vector<std::string> result;
  for (auto variable : module.getOps<VariableOp>())
    if (variable.getRole() == role)
      result.push_back(variable.getSymName().str());
  return result;
}

void run(Interpreter &interpreter, const char *segment) { ASSERT_TRUE(succeeded(interpreter.run(segment))); }

TEST(TrainingStep, GradientsAndLossesOfMicroBatchesAdd) {
  SetupOptions options;
  options.steps = 2;
  TrainingSetup setup(config, options);
  Interpreter first(setup.differentiated()), second(setup.differentiated()), both(setup.differentiated());
  setup.fill(first, 0);
  run(first, "accumulate_first");
  setup.fill(second, 1);
  run(second, "accumulate_first");
  setup.fill(both, 0);
  run(both, "accumulate_first");
  setup.fill(both, 1);
  run(both, "accumulate_next");
  EXPECT_NEAR(both["loss"].numbers[0], first["loss"].numbers[0] + second["loss"].numbers[0], 1e-13);
  EXPECT_GT(std::abs(first["loss"].numbers[0] - second["loss"].numbers[0]), 1e-3);
  const auto gradients = names(setup.differentiated(), Role::Gradient);
  EXPECT_EQ(int(gradients.size()), setup.trainedCount());
  for (const std::string &name : gradients) {
    std::vector<double> sum = first[name].numbers;
    for (size_t n = 0; n < sum.size(); ++n)
      sum[n] += second[name].numbers[n];
    EXPECT_LT(relativeError(both[name].numbers, sum), 1e-13) << name;
    EXPECT_GT(relativeError(first[name].numbers, sum), 1e-3) << name;
  }
}

double gradientNorm(Interpreter &interpreter, ModuleOp module) {
  double squares = 0;
  for (const std::string &name : names(module, Role::Gradient))
    for (double number : interpreter[name].numbers)
      squares += number * number;
  return std::sqrt(squares);
}

TEST(TrainingStep, AdamwIsPyTorchs) {
  SetupOptions options;
  options.optimizer.weightDecay = 0.1;
  options.optimizer.maxGradNorm = 1e-2; // clips
  TrainingSetup setup(config, options);
  Interpreter step(setup.differentiated());
  setup.fill(step);
  step[std::string(weight) + ".exp_avg"].numbers.assign(step[weight].size(), 0.25);
  step[std::string(weight) + ".exp_avg_sq"].numbers.assign(step[weight].size(), 0.5);
  run(step, "accumulate_first");
  const double p = step[weight].numbers[3], norm = gradientNorm(step, setup.differentiated());
  const double clip = 1e-2 / (norm + 1e-6), g = clip * step[std::string(weight) + ".gradient"].numbers[3];
  const std::vector<double> scalars = step["scalars"].numbers;
  run(step, "update");
  ASSERT_LT(clip, 1);
  EXPECT_NEAR(step["grad_norm"].numbers[0], norm, 1e-12 * norm);
  const double m = 0.9 * 0.25 + 0.1 * g, v = 0.999 * 0.5 + 0.001 * g * g, lr = scalars[1];
  EXPECT_NEAR(step[std::string(weight) + ".exp_avg"].numbers[3], m, 1e-15);
  EXPECT_NEAR(step[std::string(weight) + ".exp_avg_sq"].numbers[3], v, 1e-15);
  EXPECT_NEAR(step[weight].numbers[3], p * (1 - lr * 0.1) - lr * (m / scalars[2]) / (std::sqrt(v / scalars[3]) + 1e-8),
              1e-15);
}

TEST(TrainingStep, LionMovesByTheSignOfItsMean) {
  SetupOptions options;
  options.optimizer.kind = OptimizerOptions::Kind::Lion;
  options.optimizer.beta2 = 0.99;
  options.optimizer.weightDecay = 0.1;
  options.optimizer.maxGradNorm = 1e-2; // clips
  TrainingSetup setup(config, options);
  Interpreter step(setup.differentiated());
  setup.fill(step);
  run(step, "accumulate_first");
  const double norm = gradientNorm(step, setup.differentiated()), clip = 1e-2 / (norm + 1e-6);
  const std::vector<double> before = step[weight].numbers, gradient = step[std::string(weight) + ".gradient"].numbers;
  // Means that the gradient turns, that it does not, and that are gone: c = 0.9 · m + 0.1 · g.
  std::vector<double> &mean = step[std::string(weight) + ".exp_avg"].numbers;
  mean[0] = -0.5 / 9 * clip * gradient[0], mean[1] = -2.0 / 9 * clip * gradient[1];
  step[std::string(weight) + ".gradient"].numbers[2] = 0;
  const std::vector<double> old = mean;
  const double lr = step["scalars"].numbers[1];
  run(step, "update");
  ASSERT_NE(gradient[0] * gradient[1], 0);
  const double signs[] = {gradient[0] > 0 ? 1.0 : -1.0, gradient[1] > 0 ? -1.0 : 1.0, 0};
  for (int i = 0; i < 3; ++i) {
    const double g = i == 2 ? 0 : clip * gradient[i];
    EXPECT_NEAR(step[weight].numbers[i], before[i] * (1 - lr * 0.1) - lr * signs[i], 1e-6 * lr) << i;
    EXPECT_NEAR(step[std::string(weight) + ".exp_avg"].numbers[i], 0.99 * old[i] + 0.01 * g, 1e-6 * std::abs(g)) << i;
  }
}

TEST(TrainingStep, SgdStartsItsBufferAsTheGradient) {
  SetupOptions options;
  options.optimizer.kind = OptimizerOptions::Kind::Sgd;
  options.optimizer.momentum = 0.9;
  options.optimizer.maxGradNorm = 0;
  TrainingSetup setup(config, options);
  Interpreter step(setup.differentiated());
  setup.fill(step);
  run(step, "accumulate_first");
  const double p = step[weight].numbers[5], g = step[std::string(weight) + ".gradient"].numbers[5];
  run(step, "update");
  EXPECT_DOUBLE_EQ(step[std::string(weight) + ".exp_avg"].numbers[5], g);
  EXPECT_DOUBLE_EQ(step[weight].numbers[5], p - 1e-2 * g);
  run(step, "update");
  EXPECT_DOUBLE_EQ(step[std::string(weight) + ".exp_avg"].numbers[5], 0.9 * g + g);
}

TEST(TrainingStep, LossThatIsNotFiniteStopsEveryUpdate) {
  SetupOptions options;
  options.steps = 2;
  TrainingSetup setup(config, options);
  Interpreter step(setup.differentiated());
  setup.fill(step, 0);
  run(step, "accumulate_first");
  EXPECT_EQ(step["status"].integers[0], 0);
  setup.fill(step, 1);
  step["model.norm.weight"].numbers[2] = std::numeric_limits<double>::quiet_NaN();
  run(step, "accumulate_next");
  EXPECT_EQ(step["status"].integers, (std::vector<int64_t>{1, 1, 1, 1}));
  const std::vector<double> before = step[weight].numbers;
  run(step, "update");
  EXPECT_EQ(step[weight].numbers, before);
  // The next step's batches are good, but the status stays, with the first cause.
  setup.fill(step, 0);
  run(step, "accumulate_first");
  run(step, "update");
  EXPECT_EQ(step["status"].integers, (std::vector<int64_t>{1, 1, 1, 1}));
  EXPECT_EQ(step[weight].numbers, before);
}

TEST(TrainingStep, GradientNormThatIsNotFiniteStopsTheUpdate) {
  TrainingSetup setup(config, {});
  Interpreter step(setup.differentiated());
  setup.fill(step);
  run(step, "accumulate_first");
  step[std::string(weight) + ".gradient"].numbers[0] = std::numeric_limits<double>::infinity();
  const std::vector<double> before = step[weight].numbers;
  run(step, "update");
  EXPECT_EQ(step["status"].integers, (std::vector<int64_t>{1, 1, 0, 2}));
  EXPECT_EQ(step[weight].numbers, before);
}

/// In bf16 the loss is near the exact one, and working copies are what the masters round to, before and after updates.
void checkPrecision(Precision precision, std::optional<LoraOptions> lora, size_t copies) {
  SetupOptions options;
  options.lora = lora;
  TrainingSetup exact(config, options);
  options.precision = precision;
  TrainingSetup rounded(config, options);
  Interpreter reference(exact.differentiated()), step(rounded.differentiated(), /*rounds=*/true);
  exact.fill(reference);
  run(reference, "accumulate_first");
  rounded.fill(step);
  const auto workingCopies = names(rounded.differentiated(), Role::WorkingCopy);
  EXPECT_EQ(workingCopies.size(), copies);
  auto expectFresh = [&] {
    for (const std::string &name : workingCopies) {
      const std::string master = name.substr(0, name.size() - std::string(".working_copy").size());
      EXPECT_LT(relativeError(step[name].numbers, step[master].numbers), 0x1p-8) << name;
    }
  };
  if (copies)
    run(step, "initialize");
  expectFresh();
  run(step, "accumulate_first");
  EXPECT_NEAR(step["loss"].numbers[0], reference["loss"].numbers[0], 0.02 * reference["loss"].numbers[0]);
  EXPECT_NE(step["loss"].numbers[0], reference["loss"].numbers[0]);
  run(step, "update");
  expectFresh();
}

TEST(Precision, MixedKeepsMastersAndCopiesOfProductWeights) {
  checkPrecision(Precision::Bf16Mixed, std::nullopt, 15); // seven linears in two layers, and the tied head
}
TEST(Precision, TrueKeepsNoCopiesOfFullWeights) { checkPrecision(Precision::Bf16True, std::nullopt, 0); }
TEST(Precision, AdaptersAreF32WithCopies) {
  checkPrecision(Precision::Bf16True, LoraOptions{2, 4, 0, {"q_proj", "v_proj"}}, 8);
}

} // namespace
