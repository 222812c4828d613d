// Segments for micro-batches of few targets, interpreted in double precision, against those that compute all rows.
#include "compiler/Model/Interpreter/Testing.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

/// Two layers; 13 of 16 tokens have a target, so that a bound of 14 leaves one place empty.
constexpr int64_t bound = 14;

const char *llama = R"({"model_type":"llama","vocab_size":19,"hidden_size":12,"intermediate_size":10,
  "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":4,"max_position_embeddings":64,
  "rms_norm_eps":1e-5})";
const char *tied = R"({"model_type":"llama","vocab_size":13,"hidden_size":8,"intermediate_size":12,
  "num_hidden_layers":2,"num_attention_heads":3,"num_key_value_heads":1,"head_dim":4,"max_position_embeddings":64,
  "tie_word_embeddings":true,"rope_theta":500.0})";
const char *biased = R"({"model_type":"qwen2","vocab_size":13,"hidden_size":8,"intermediate_size":12,
  "num_hidden_layers":2,"num_attention_heads":2,"num_key_value_heads":1,"max_position_embeddings":64})";
const char *normedHeads = R"({"model_type":"qwen3","vocab_size":13,"hidden_size":12,"intermediate_size":10,
  "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":4,"max_position_embeddings":64})";
const char *gemma = R"({"model_type":"gemma3_text","vocab_size":13,"hidden_size":8,"intermediate_size":12,
  "num_hidden_layers":3,"num_attention_heads":2,"num_key_value_heads":1,"head_dim":4,"sliding_window":3,
  "query_pre_attn_scalar":6,"sliding_window_pattern":2})";

struct Case {
  const char *name, *config;
  std::optional<LoraOptions> lora;
  Recompute recompute;
};

SetupOptions optionsOf(const Case &c) {
  SetupOptions options;
  options.steps = 2;
  options.maxTargets = bound;
  options.lora = c.lora;
  options.recompute = {c.recompute, c.recompute, 0};
  return options;
}

/// Sums over targets skip terms that are zero: some units in the last place, through two layers.
constexpr double tolerance = 1e-12;

void run(Interpreter &interpreter, const std::string &segment) {
  ASSERT_TRUE(succeeded(interpreter.run(segment))) << segment;
}

/// The largest relative difference of a gradient, or of the loss.
double difference(ModuleOp module, Interpreter &few, Interpreter &all) {
  double largest = std::abs(few["loss"].numbers[0] / all["loss"].numbers[0] - 1);
  for (auto variable : module.getOps<VariableOp>())
    if (variable.getRole() == Role::Gradient)
      largest =
          std::max(largest, relativeError(few[variable.getSymName()].numbers, all[variable.getSymName()].numbers));
  return largest;
}

class Targets : public testing::TestWithParam<Case> {};

TEST_P(Targets, HaveLossesAndGradientsOfAllRows) {
  TrainingSetup setup(GetParam().config, optionsOf(GetParam()));
  ModuleOp module = setup.differentiated();
  // Which of the two micro-batches has few targets makes no difference.
  for (int mix = 1; mix < 4; ++mix) {
    Interpreter few(module), all(module);
    for (int micro = 0; micro < 2; ++micro) {
      const std::string segment = micro == 0 ? "accumulate_first" : "accumulate_next";
      setup.fill(few, micro);
      setup.fill(all, micro);
      run(few, mix >> micro & 1 ? segment + "_targets" : segment);
      run(all, segment);
    }
    EXPECT_GT(all["loss"].numbers[0], 0.1);
    EXPECT_LT(difference(module, few, all), tolerance) << "mix " << mix;
  }
}

TEST_P(Targets, EvaluateAsAllRowsDo) {
  TrainingSetup setup(GetParam().config, optionsOf(GetParam()));
  Interpreter few(setup.differentiated()), all(setup.differentiated());
  setup.fill(few);
  setup.fill(all);
  run(few, "evaluate_targets");
  run(all, "evaluate");
  EXPECT_GT(all["loss"].numbers[0], 0.1);
  EXPECT_NEAR(few["loss"].numbers[0] / all["loss"].numbers[0], 1, tolerance);
}

LoraOptions lora(double dropout) { return {4, 8, dropout, {"all-linear"}}; }

INSTANTIATE_TEST_SUITE_P(All, Targets,
                         testing::Values(Case{"Full", llama, std::nullopt, Recompute::Nothing},
                                         Case{"Tied", tied, std::nullopt, Recompute::Rows},
                                         Case{"Biases", biased, std::nullopt, Recompute::Rows},
                                         Case{"NormsOfHeads", normedHeads, std::nullopt, Recompute::Products},
                                         Case{"NormsBehind", gemma, std::nullopt, Recompute::Blocks},
                                         Case{"Lora", llama, lora(0), Recompute::Rows},
                                         Case{"LoraDropout", llama, lora(0.25), Recompute::Rows},
                                         Case{"LoraDropoutMadeAgain", tied, lora(0.25), Recompute::Blocks},
                                         Case{"LoraOfQueries", llama, LoraOptions{4, 8, 0.25, {"q_proj"}},
                                              Recompute::Products}),
                         [](const testing::TestParamInfo<Case> &info) { return std::string(info.param.name); });

//===-- planted faults -------------------------------------------------------------------------------------------===//

/// What differs where `change` has seen the module, or what the host gives it.
double faultOf(const std::function<void(ModuleOp)> &ofModule, const std::function<void(Interpreter &)> &ofBatch) {
  SetupOptions options;
  options.maxTargets = bound;
  options.lora = lora(0.25);
  TrainingSetup setup(llama, options);
  ofModule(setup.differentiated());
  Interpreter few(setup.differentiated()), all(setup.differentiated());
  setup.fill(few);
  setup.fill(all);
  ofBatch(few);
  EXPECT_TRUE(succeeded(few.run("accumulate_first_targets")) && succeeded(all.run("accumulate_first")));
  return difference(setup.differentiated(), few, all);
}

void nothing(ModuleOp) {}
void same(Interpreter &) {}

TEST(PlantedFault, NoneIsNone) { EXPECT_LT(faultOf(nothing, same), tolerance); }

TEST(PlantedFault, ATargetWithoutItsPlace) {
  EXPECT_GT(faultOf(nothing, [](Interpreter &few) { few["target_slots"].integers[7] = bound; }), 1e-3);
}

TEST(PlantedFault, ATargetAtAnothersPlace) {
  EXPECT_GT(
      faultOf(nothing,
              [](Interpreter &few) { std::swap(few["target_slots"].integers[0], few["target_slots"].integers[1]); }),
      1e-3);
}

TEST(PlantedFault, TheEmptyPlaceWithALabel) {
  EXPECT_GT(faultOf(nothing, [](Interpreter &few) { few["target_labels"].integers[bound - 1] = 3; }), 1e-3);
}

TEST(PlantedFault, MoreTargetsThanTheBound) {
  EXPECT_GT(faultOf(nothing,
                    [](Interpreter &few) {
                      few["labels"].integers.assign(16, 3);
                      fillTargets(few);
                    }),
            1e-3);
}

TEST(PlantedFault, AMaskByThePlaceAmongTargets) {
  EXPECT_GT(faultOf([](ModuleOp module) { module.walk([](DropoutOp op) { op.getRowsMutable().clear(); }); }, same),
            1e-3);
}

} // namespace
