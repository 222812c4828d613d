// Values on the host between forward and backward: which they are, and that nothing else is another.
#include "compiler/Model/Interpreter/Testing.h"

#include "compiler/Model/Variables.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

const char *llama = R"({"model_type":"llama","vocab_size":19,"hidden_size":12,"intermediate_size":10,
  "num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":4,"max_position_embeddings":64,
  "rms_norm_eps":1e-5})";
const char *gemma = R"({"model_type":"gemma3_text","vocab_size":13,"hidden_size":8,"intermediate_size":12,
  "num_hidden_layers":3,"num_attention_heads":2,"num_key_value_heads":1,"head_dim":4,"sliding_window":3,
  "query_pre_attn_scalar":6,"sliding_window_pattern":2})";

SetupOptions optionsOf(Recompute recompute, Park park, bool lora) {
  SetupOptions options;
  options.steps = 2;
  options.maxTargets = 14;
  options.recompute = {recompute, recompute, 0, park};
  if (lora)
    options.lora = LoraOptions{4, 8, 0.25, {"all-linear"}};
  return options;
}

/// All that two micro-batches leave in gradients, and the loss.
std::vector<double> trained(const char *config, const SetupOptions &options, const std::string &kind) {
  TrainingSetup setup(config, options);
  Interpreter interpreter(setup.differentiated());
  std::vector<double> numbers;
  for (int micro = 0; micro < 2; ++micro) {
    setup.fill(interpreter, micro);
    EXPECT_TRUE(succeeded(interpreter.run((micro ? "accumulate_next" : "accumulate_first") + kind)));
  }
  for (auto variable : setup.differentiated().getOps<VariableOp>())
    if (variable.getRole() == Role::Gradient || variable.getSymName() == "loss")
      llvm::append_range(numbers, interpreter[variable.getSymName()].numbers);
  return numbers;
}

TEST(Park, NumbersAreTheSame) {
  for (const char *config : {llama, gemma})
    for (const Recompute recompute : {Recompute::Nothing, Recompute::Rows, Recompute::Products, Recompute::Blocks})
      for (const bool lora : {false, true})
        for (const char *kind : {"", "_targets"}) {
          const std::vector<double> kept = trained(config, optionsOf(recompute, Park::Nothing, lora), kind);
          for (const Park park : {Park::Inputs, Park::Stream})
            EXPECT_EQ(trained(config, optionsOf(recompute, park, lora), kind), kept) << int(recompute) << int(park);
        }
}

/// How many values leave, and what of them the forward part or the last layer reads behind their return.
std::pair<int, int> transfers(Recompute recompute, Park park) {
  TrainingSetup setup(llama, optionsOf(recompute, park, true));
  int leave = 0, wrong = 0;
  findSegment(setup.differentiated(), plan::Segment::ACCUMULATE_FIRST).walk([&](TransferOp op) {
    leave += op.getToHost();
    for (Operation *user : op->getUsers())
      wrong += op.getToHost() ? !isa<TransferOp>(user) : !isBackward(user) || layerOf(user) == 2;
    for (Operation *user : op.getX().getUsers())
      wrong += op.getToHost() && isBackward(user);
  });
  return {leave, wrong};
}

TEST(Park, LeavesTheLastLayerAndWhatIsMadeAgain) {
  using Pair = std::pair<int, int>;
  EXPECT_EQ(transfers(Recompute::Rows, Park::Nothing), Pair(0, 0));
  EXPECT_EQ(transfers(Recompute::Rows, Park::Inputs), Pair(2, 0)) << "of two blocks of three";
  EXPECT_EQ(transfers(Recompute::Rows, Park::Stream), Pair(6, 0)) << "and attention's outputs, and the sums behind";
  EXPECT_EQ(transfers(Recompute::Products, Park::Stream), Pair(6, 0));
  EXPECT_EQ(transfers(Recompute::Blocks, Park::Stream), Pair(2, 0)) << "the rest is made again";
}

// The comparison would see a value that comes back as another.
TEST(Park, AWrongReturnIsFound) {
  const SetupOptions options = optionsOf(Recompute::Products, Park::Stream, true);
  TrainingSetup setup(llama, options);
  TransferOp first, second;
  findSegment(setup.differentiated(), plan::Segment::ACCUMULATE_FIRST).walk([&](TransferOp op) {
    if (!op.getToHost())
      (first ? second : first) = op;
  });
  first.getXMutable().assign(second.getX());
  Interpreter interpreter(setup.differentiated());
  setup.fill(interpreter);
  ASSERT_TRUE(succeeded(interpreter.run("accumulate_first")));
  TrainingSetup intact(llama, options);
  Interpreter expected(intact.differentiated());
  intact.fill(expected);
  ASSERT_TRUE(succeeded(expected.run("accumulate_first")));
  int different = 0;
  for (auto variable : setup.differentiated().getOps<VariableOp>())
    different += variable.getRole() == Role::Gradient &&
                 interpreter[variable.getSymName()].numbers != expected[variable.getSymName()].numbers;
  EXPECT_GT(different, 0);
}

} // namespace
