// Training on two ranks is training on one: gradients, norm, loss and every variable after an update of a partitioned
// module, interpreted in double precision, against the module that it was made from on the whole batch.
#include "compiler/Sharding/Partition.h"

#include "compiler/Model/Interpreter/Testing.h"
#include "compiler/Sharding/RankSimulator.h"

#include "mlir/IR/Verifier.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

constexpr int64_t ranks = 2, firstPosition = 6; // plan.proto, FIRST_POSITION_LOW

std::string config(bool tied) {
  return std::string(R"({"model_type":"llama","vocab_size":20,"hidden_size":12,"intermediate_size":10,
  "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":4,"max_position_embeddings":64,
  "rms_norm_eps":1e-5,"tie_word_embeddings":)") +
         (tied ? "true}" : "false}");
}

/// Rows of the whole that belong to `rank`.
template <typename Number> std::vector<Number> part(const std::vector<Number> &whole, size_t size, int64_t rank) {
  if (whole.size() == size)
    return whole;
  return {whole.begin() + rank * size, whole.begin() + (rank + 1) * size};
}

/// The tables that the host makes for a rank, from its share of the tokens.
void fillTables(Interpreter &rank) {
  const std::vector<int64_t> &ids = rank["tokens"].integers, &positions = rank["positions"].integers;
  const int64_t tokens = ids.size();
  auto &offsets = rank["document_offsets"].integers, &lens = rank["document_lens"].integers;
  std::fill(offsets.begin(), offsets.end(), tokens);
  std::fill(lens.begin(), lens.end(), 0);
  fillTargets(rank);
  int64_t document = -1;
  for (int64_t t = 0; t < tokens; ++t) {
    if (positions[t] == 0)
      offsets.at(++document) = t;
    ++lens.at(document);
  }
  if (!rank.has("sorted_positions"))
    return;
  std::vector<int64_t> order(tokens);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return ids[a] < ids[b]; });
  rank["sorted_positions"].integers = order;
  auto &starts = rank["segment_starts"].integers, &segmentIds = rank["segment_ids"].integers;
  std::fill(starts.begin(), starts.end(), tokens);
  std::fill(segmentIds.begin(), segmentIds.end(), 0);
  int64_t segment = -1;
  for (int64_t n = 0; n < tokens; ++n)
    if (n == 0 || ids[order[n]] != ids[order[n - 1]]) {
      starts.at(++segment) = n;
      segmentIds.at(segment) = ids[order[n]];
    }
}

/// Gives each rank its part of what the whole holds, in the roles asked for.
void distribute(ModuleOp module, Interpreter &whole, RankSimulator &simulator, bool inputsOnly) {
  for (auto variable : module.getOps<VariableOp>()) {
    const StringRef name = variable.getSymName();
    if (inputsOnly && variable.getRole() != Role::Input)
      continue;
    for (int64_t rank = 0; rank < simulator.size(); ++rank) {
      ReferenceTensor &tensor = simulator[rank][name];
      if (!tensor.numbers.empty())
        tensor.numbers = part(whole[name].numbers, tensor.numbers.size(), rank);
      if (variable.getIo() && (*variable.getIo() == "TOKENS" || *variable.getIo() == "LABELS" ||
                               *variable.getIo() == "POSITIONS" || *variable.getIo() == "DOCUMENT_START"))
        tensor.integers = part(whole[name].integers, tensor.integers.size(), rank);
      if (variable.getRole() == Role::RandomKeys)
        tensor.integers = whole[name].integers;
    }
  }
  for (int64_t rank = 0; rank < simulator.size(); ++rank) {
    fillTables(simulator[rank]);
    simulator[rank]["scalars"].numbers[firstPosition] += double(rank * simulator[rank]["tokens"].size());
  }
}

/// What the ranks hold together: parts put together, partial values added, else what every rank holds.
std::vector<double> collect(RankSimulator &simulator, VariableOp variable) {
  auto sharding = variable->getAttrOfType<dist::ShardingAttr>(dist::shardingName);
  std::vector<double> whole = simulator[0][variable.getSymName()].numbers;
  for (int64_t rank = 1; rank < simulator.size(); ++rank) {
    const std::vector<double> &numbers = simulator[rank][variable.getSymName()].numbers;
    if (!sharding)
      EXPECT_EQ(numbers, whole) << variable.getSymName().str() << " differs between ranks";
    else if (sharding.isPartial())
      std::transform(whole.begin(), whole.end(), numbers.begin(), whole.begin(), std::plus<>());
    else
      whole.insert(whole.end(), numbers.begin(), numbers.end());
  }
  return whole;
}

struct Case {
  const char *name;
  bool tied, lora;
  int64_t steps;
  Strategy strategy;
  bool targets = false; ///< ranks compute the rows of targets alone, but in the second micro-batch
};

class Partitioned : public testing::TestWithParam<Case> {};

/// Sums over ranks are added in another order than sums over tokens: some units in the last place of double precision,
/// through two layers, relative to a whole tensor's norm.
constexpr double tolerance = 1e-11;

void expectSame(ModuleOp module, Interpreter &whole, RankSimulator &simulator, const char *when) {
  for (auto variable : module.getOps<VariableOp>()) {
    if (variable.getRole() == Role::Input || whole[variable.getSymName()].numbers.empty())
      continue;
    const std::vector<double> &expected = whole[variable.getSymName()].numbers;
    if (llvm::all_of(expected, [](double number) { return number == 0; }))
      continue; // not written yet
    EXPECT_LT(relativeError(collect(simulator, variable), expected), tolerance)
        << variable.getSymName().str() << " " << when;
  }
}

TEST_P(Partitioned, TrainsAsOneRankDoes) {
  SetupOptions options;
  options.steps = GetParam().steps;
  options.optimizer.weightDecay = 0.1;
  options.optimizer.maxGradNorm = 1e-2;             // clips: the norm over all ranks matters
  options.maxTargets = GetParam().targets ? 14 : 0; // seven on each of two ranks, one of which has six
  if (GetParam().lora)
    options.lora = LoraOptions{4, 8, 0.25, {"all-linear"}};
  TrainingSetup setup(config(GetParam().tied), options);
  DialectRegistry registry;
  registerSharding(registry);
  setup.differentiated().getContext()->appendDialectRegistry(registry);
  OwningOpRef<ModuleOp> module(setup.differentiated().clone());
  ASSERT_TRUE(
      succeeded(partition(*module, MeshSpec{ranks}, GetParam().strategy, GetParam().strategy == Strategy::Fsdp)));
  ASSERT_TRUE(succeeded(verify(*module)));

  Interpreter whole(setup.differentiated());
  RankSimulator simulator(*module);
  for (int64_t step = 0; step < options.steps; ++step) {
    setup.fill(whole, int(step));
    distribute(*module, whole, simulator, /*inputsOnly=*/step > 0);
    const char *segment = step == 0 ? "accumulate_first" : "accumulate_next";
    ASSERT_TRUE(succeeded(whole.run(segment)));
    ASSERT_TRUE(
        succeeded(simulator.run(GetParam().targets && step != 1 ? segment + std::string("_targets") : segment)));
    expectSame(*module, whole, simulator, segment);
  }
  EXPECT_GT(whole["loss"].numbers[0], 0.1);
  ASSERT_TRUE(succeeded(whole.run("update")));
  ASSERT_TRUE(succeeded(simulator.run("update")));
  expectSame(*module, whole, simulator, "after the update");
  EXPECT_GT(whole["grad_norm"].numbers[0], 1e-2); // it did clip
  ASSERT_TRUE(succeeded(whole.run("evaluate")));
  ASSERT_TRUE(succeeded(simulator.run(GetParam().targets ? "evaluate_targets" : "evaluate")));
  expectSame(*module, whole, simulator, "in the evaluation");
}

/// The gradient of one adapter after a micro-batch on two ranks, whose scalars `change` has seen, against one rank's.
double gradientError(std::function<void(RankSimulator &)> change) {
  SetupOptions options;
  options.lora = LoraOptions{4, 8, 0.25, {"all-linear"}};
  TrainingSetup setup(config(false), options);
  DialectRegistry registry;
  registerSharding(registry);
  setup.differentiated().getContext()->appendDialectRegistry(registry);
  OwningOpRef<ModuleOp> module(setup.differentiated().clone());
  EXPECT_TRUE(succeeded(partition(*module, MeshSpec{ranks}, Strategy::Ddp, false)));
  Interpreter whole(setup.differentiated());
  RankSimulator simulator(*module);
  setup.fill(whole);
  distribute(*module, whole, simulator, /*inputsOnly=*/false);
  change(simulator);
  EXPECT_TRUE(succeeded(whole.run("accumulate_first")));
  EXPECT_TRUE(succeeded(simulator.run("accumulate_first")));
  const char *name = "model.layers.0.mlp.up_proj.lora_B.weight.gradient";
  return relativeError(simulator[0][name].numbers, whole[name].numbers);
}

TEST(PartitionedScalars, AreTheHostsPartOfTheBargain) {
  EXPECT_LT(gradientError([](RankSimulator &) {}), tolerance);
  // Each rank's tokens start where they lie in the whole batch, or its dropout draws another rank's mask.
  EXPECT_GT(gradientError([](RankSimulator &simulator) {
              simulator[1]["scalars"].numbers[firstPosition] = simulator[0]["scalars"].numbers[firstPosition];
            }),
            1e-3);
  // 1/N counts the targets of all ranks: gradients are added, not averaged.
  EXPECT_GT(gradientError([](RankSimulator &simulator) {
              for (int64_t rank = 0; rank < ranks; ++rank)
                simulator[rank]["scalars"].numbers[0] *= ranks;
            }),
            0.9);
}

INSTANTIATE_TEST_SUITE_P(All, Partitioned,
                         testing::Values(Case{"FullDdp", false, false, 1, Strategy::Ddp},
                                         Case{"FullDdpAccumulated", false, false, 2, Strategy::Ddp},
                                         Case{"FullZero1", false, false, 1, Strategy::Zero1},
                                         Case{"FullZero1Accumulated", false, false, 2, Strategy::Zero1},
                                         Case{"TiedZero2Accumulated", true, false, 2, Strategy::Zero2},
                                         Case{"LoraZero1Accumulated", false, true, 2, Strategy::Zero1},
                                         Case{"FullFsdp", false, false, 1, Strategy::Fsdp},
                                         Case{"FullFsdpAccumulated", false, false, 2, Strategy::Fsdp},
                                         Case{"TiedDdpAccumulated", true, false, 2, Strategy::Ddp},
                                         Case{"TiedFsdpAccumulated", true, false, 2, Strategy::Fsdp},
                                         Case{"LoraDdpAccumulated", false, true, 2, Strategy::Ddp},
                                         Case{"LoraFsdpAccumulated", true, true, 2, Strategy::Fsdp},
                                         Case{"TargetsDdp", false, false, 1, Strategy::Ddp, true},
                                         Case{"TargetsLoraDdpAccumulated", false, true, 3, Strategy::Ddp, true},
                                         Case{"TargetsTiedZero2Accumulated", true, false, 3, Strategy::Zero2, true},
                                         Case{"TargetsLoraFsdpAccumulated", true, true, 3, Strategy::Fsdp, true}),
                         [](const testing::TestParamInfo<Case> &info) { return std::string(info.param.name); });

} // namespace
