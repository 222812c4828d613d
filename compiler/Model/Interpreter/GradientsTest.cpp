// Every gradient that Differentiate builds, against central finite differences of the loss of the module before
// differentiation, both interpreted in double precision.
//
// Tolerance: 1e-7 norm-wise per tensor. The fourth-order difference with h = 1e-3 has a truncation error of about
// h⁴ ≈ 1e-12 and a rounding error of about 2⁻⁵²·loss/h ≈ 1e-12, against gradients of 1e-3 and more. Norms are taken
// as at least 1e-4 of the whole gradient's: with one id in all of a batch those of q and k are exactly zero.
#include "compiler/Import/BuildModel.h"
#include "compiler/Model/Interpreter/Testing.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

struct Case {
  const char *name;
  const char *config;
  std::optional<LoraOptions> lora;
  BatchKind batch = BatchKind::Packed;
  double tolerance = 1e-7;
};

const char *groupedQuery = R"({"model_type":"llama","vocab_size":19,"hidden_size":12,"intermediate_size":10,
  "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":4,"max_position_embeddings":64,
  "rms_norm_eps":1e-5})";
const char *tied = R"({"model_type":"llama","vocab_size":13,"hidden_size":8,"intermediate_size":12,
  "num_hidden_layers":2,"num_attention_heads":3,"num_key_value_heads":1,"head_dim":4,"max_position_embeddings":64,
  "tie_word_embeddings":true,"rope_theta":500.0})";
const char *oddHead = R"({"model_type":"llama","vocab_size":11,"hidden_size":10,"intermediate_size":6,
  "num_hidden_layers":2,"num_attention_heads":2,"num_key_value_heads":2,"head_dim":20,"max_position_embeddings":64})";

// With a large eps norms of short vectors stay smooth, and differences exact.
const char *scaledRope = R"({"model_type":"llama","vocab_size":13,"hidden_size":8,"intermediate_size":12,
  "rms_norm_eps":0.1,"num_hidden_layers":1,"num_attention_heads":2,"max_position_embeddings":64,"rope_scaling":{"rope_type":"yarn",
  "factor":4.0,"original_max_position_embeddings":8}})";
const char *biased = R"({"model_type":"qwen2","vocab_size":13,"hidden_size":8,"intermediate_size":12,
  "rms_norm_eps":0.1,"num_hidden_layers":2,"num_attention_heads":2,"num_key_value_heads":1,"max_position_embeddings":64})";
const char *normedHeads = R"({"model_type":"qwen3","vocab_size":13,"hidden_size":12,"intermediate_size":10,
  "rms_norm_eps":0.1,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":4,"max_position_embeddings":64})";
const char *windowed = R"({"model_type":"mistral","vocab_size":13,"hidden_size":8,"intermediate_size":12,
  "rms_norm_eps":0.1,"num_hidden_layers":2,"num_attention_heads":2,"num_key_value_heads":1,"sliding_window":3})";
const char *unrotated = R"({"model_type":"smollm3","vocab_size":13,"hidden_size":8,"intermediate_size":12,
  "rms_norm_eps":0.1,"num_hidden_layers":2,"num_attention_heads":2,"num_key_value_heads":1,"no_rope_layers":[1,0]})";
const char *gemma = R"({"model_type":"gemma3_text","vocab_size":13,"hidden_size":8,"intermediate_size":12,
  "rms_norm_eps":0.1,"num_hidden_layers":3,"num_attention_heads":2,"num_key_value_heads":1,"head_dim":4,"sliding_window":3,
  "query_pre_attn_scalar":6,"sliding_window_pattern":2})";

LoraOptions lora(std::vector<std::string> targets, double dropout) { return {3, 6, dropout, std::move(targets)}; }

class Gradients : public testing::TestWithParam<Case> {};

/// The largest relative error of any gradient tensor, and how many were compared.
struct Comparison {
  double worst = 0;
  std::string worstName;
  int tensors = 0;
};

Comparison compare(TrainingSetup &setup) {
  Interpreter backward(setup.differentiated());
  setup.fill(backward);
  EXPECT_TRUE(succeeded(backward.run("accumulate_first")));
  Interpreter forward(setup.original());
  setup.fill(forward);
  EXPECT_TRUE(succeeded(forward.run("forward")));
  EXPECT_NEAR(forward["loss"].numbers[0], backward["loss"].numbers[0], 1e-14);
  std::map<std::string, std::vector<double>> expected;
  double squares = 0;
  for (auto variable : setup.differentiated().getOps<VariableOp>())
    if (variable.getRole() == Role::Gradient) {
      auto &numbers = expected[variable.getSymName().str()] = finiteDifferences(forward, *variable.getOf());
      squares += std::inner_product(numbers.begin(), numbers.end(), numbers.begin(), 0.0);
    }
  Comparison result;
  for (const auto &[name, numbers] : expected) {
    const double error = relativeError(backward[name].numbers, numbers, 1e-4 * std::sqrt(squares));
    ++result.tensors;
    if (!(error <= result.worst)) {
      result.worst = error;
      result.worstName = name;
    }
  }
  return result;
}

TEST_P(Gradients, EqualFiniteDifferences) {
  SetupOptions options;
  options.lora = GetParam().lora;
  options.batch = GetParam().batch;
  TrainingSetup setup(GetParam().config, options);
  const Comparison result = compare(setup);
  EXPECT_EQ(result.tensors, setup.trainedCount());
  EXPECT_LT(result.worst, GetParam().tolerance) << result.worstName;
}

INSTANTIATE_TEST_SUITE_P(
    Models, Gradients,
    testing::Values(Case{"GroupedQuery", groupedQuery, std::nullopt}, Case{"Tied", tied, std::nullopt},
                    Case{"OddHeadDim", oddHead, std::nullopt},
                    Case{"OneIdFillsTheBatch", tied, std::nullopt, BatchKind::OneId},
                    Case{"OneDocumentARow", groupedQuery, std::nullopt, BatchKind::Dense},
                    Case{"ScaledRope", scaledRope, std::nullopt}, Case{"Biased", biased, std::nullopt},
                    Case{"LoraBiased", biased, lora({"all-linear"}, 0)}, Case{"NormedHeads", normedHeads, std::nullopt},
                    Case{"LoraNormedHeads", normedHeads, lora({"all-linear"}, 0.25)},
                    Case{"Windowed", windowed, std::nullopt, BatchKind::Dense},
                    Case{"WindowedPacked", windowed, std::nullopt}, Case{"Unrotated", unrotated, std::nullopt},
                    // Four norms a block curve more than the step of differences sees; goldens prove it to 1e-10.
                    Case{"Gemma", gemma, std::nullopt, BatchKind::Packed, 1e-6},
                    Case{"LoraQueryValue", groupedQuery, lora({"q_proj", "v_proj"}, 0)},
                    Case{"LoraQueryValueDropout", groupedQuery, lora({"q_proj", "v_proj"}, 0.25)},
                    Case{"LoraAll", groupedQuery, lora({"all-linear"}, 0)},
                    Case{"LoraAllDropout", groupedQuery, lora({"all-linear"}, 0.25)},
                    Case{"LoraDownOnly", oddHead, lora({"down_proj"}, 0)},
                    Case{"LoraDownDropoutTied", tied, lora({"down_proj", "o_proj"}, 0.5)},
                    Case{"LoraGate", tied, lora({"gate_proj"}, 0.1)}),
    [](const testing::TestParamInfo<Case> &info) { return std::string(info.param.name); });

/// A fault must be seen: each of these turns one sign or changes one factor by 1 %.
template <typename Plant> void expectFailure(std::optional<LoraOptions> lora, Plant plant) {
  SetupOptions options;
  options.lora = std::move(lora);
  TrainingSetup setup(groupedQuery, options);
  int planted = 0;
  setup.differentiated().walk([&](Operation *op) { planted += !planted && plant(op); });
  ASSERT_EQ(planted, 1);
  EXPECT_GT(compare(setup).worst, 1e-4);
}

TEST(PlantedFault, RopeNotInverted) {
  expectFailure(std::nullopt, [](Operation *op) {
    auto rope = dyn_cast<RopeOp>(op);
    if (!rope || !rope.getInverse())
      return false;
    rope.setInverse(false);
    return true;
  });
}

/// A fault in a model of another family.
template <typename Plant> void expectFailureIn(const char *config, Plant plant) {
  TrainingSetup setup(config, {});
  int planted = 0;
  setup.differentiated().walk([&](Operation *op) { planted += !planted && plant(op); });
  ASSERT_EQ(planted, 1);
  EXPECT_GT(compare(setup).worst, 1e-4);
}

TEST(PlantedFault, AWindowThatBackwardForgets) {
  expectFailureIn(windowed, [](Operation *op) {
    auto attention = dyn_cast<AttentionBwdOp>(op);
    if (attention)
      attention.removeWindowAttr();
    return bool(attention);
  });
}

TEST(PlantedFault, AnOffsetThatBackwardForgets) {
  expectFailureIn(gemma, [](Operation *op) {
    auto norm = dyn_cast<RmsNormBwdOp>(op);
    if (norm)
      norm.setOffset(APFloat(0.0));
    return bool(norm);
  });
}

TEST(PlantedFault, AnActivationThatBackwardForgets) {
  expectFailureIn(gemma, [](Operation *op) {
    auto gate = dyn_cast<SwigluBwdOp>(op);
    if (gate)
      gate.setActivation(Activation::Silu);
    return bool(gate);
  });
}

TEST(PlantedFault, SignOfAnInputGradient) {
  expectFailure(std::nullopt, [](Operation *op) {
    auto backward = dyn_cast<LinearBwdInputOp>(op);
    if (backward)
      backward.setAlpha(APFloat(-1.0));
    return bool(backward);
  });
}

TEST(PlantedFault, OnePercentOfAWeightGradient) {
  expectFailure(std::nullopt, [](Operation *op) {
    auto backward = dyn_cast<LinearBwdWeightOp>(op);
    if (backward)
      backward.setAlpha(APFloat(1.01));
    return bool(backward);
  });
}

TEST(PlantedFault, AnotherMaskInBackward) {
  expectFailure(lora({"all-linear"}, 0.25), [](Operation *op) {
    auto dropout = dyn_cast<DropoutOp>(op);
    if (!dropout || dropout.getX().getDefiningOp<LinearBwdInputOp>() == nullptr)
      return false;
    for (auto other : op->getParentOfType<func::FuncOp>().getOps<DropoutOp>())
      if (other.getKey() != dropout.getKey()) {
        dropout.getKeyMutable().assign(other.getKey());
        return true;
      }
    return false;
  });
}

} // namespace
