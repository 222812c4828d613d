// Inputs are read once and planned from as often as one likes.
#include "compiler/Pipeline/Pipeline.h"

#include "runtime/Plan/Memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

using namespace ft;
namespace fs = std::filesystem;

namespace {

constexpr const char *recipeText = R"(base_model: "tiny-gqa"
target: "h200"
precision: BF16_TRUE
sequence_len: 64
micro_batch_size: 4
max_document_len: 64
max_documents_per_row: 1
learning_rate: 1e-3
lora { r: 4 }
)";

class PipelineTest : public testing::Test {
protected:
  void SetUp() override {
    folder = fs::temp_directory_path() / ("ftc-pipeline-" + std::to_string(::getpid()));
    fs::create_directories(folder);
    request.recipePath = (folder / "recipe.textproto").string();
    request.recipesFolder = "recipes";
    std::ofstream(request.recipePath) << recipeText;
  }
  void TearDown() override { fs::remove_all(folder); }

  Inputs load(std::vector<std::string> overrides = {}) {
    request.overrides = std::move(overrides);
    rt::Expected<Inputs> inputs = loadInputs(request);
    EXPECT_TRUE(inputs.ok()) << inputs.status().message();
    return std::move(*inputs);
  }
  std::string refusal(std::vector<std::string> overrides) {
    request.overrides = std::move(overrides);
    return loadInputs(request).status().message();
  }
  static plan::Plan plan(const Inputs &inputs, const Choices &choices) {
    rt::Expected<Compilation> compiled = planFrom(inputs, choices);
    EXPECT_TRUE(compiled.ok()) << compiled.status().message();
    return std::move(compiled->plan);
  }
  static std::string errorOf(const Inputs &inputs) { return planFrom(inputs, choose(inputs)).status().message(); }

  fs::path folder;
  CompileRequest request;
};

TEST_F(PipelineTest, AChoiceOfRowsIsWhatTheRecipeWouldSay) {
  const Inputs inputs = load();
  const plan::Plan asked = plan(load({"micro_batch_size=2", "gradient_accumulation_steps=2"}),
                                choose(load({"micro_batch_size=2", "gradient_accumulation_steps=2"})));
  fs::remove(request.recipePath); // which is not read again
  Choices choices = choose(inputs);
  choices.rows = 2, choices.accumulationSteps = 2;
  const plan::Plan chosen = plan(inputs, choices);
  EXPECT_EQ(chosen.SerializeAsString(), asked.SerializeAsString());
  EXPECT_NE(chosen.SerializeAsString(), plan(inputs, choose(inputs)).SerializeAsString());
}

TEST_F(PipelineTest, OverriddenInputsAreThoseOfTheirCommandLine) {
  const Inputs inputs = load();
  const std::vector<std::string> sets = {"lora.target_modules=all-linear", "sequence_len=32", "max_document_len=32"};
  const Inputs asked = load(sets);
  fs::remove(request.recipePath);
  rt::Expected<Inputs> changed = withOverrides(inputs, sets);
  ASSERT_TRUE(changed.ok()) << changed.status().message();
  EXPECT_EQ(plan(*changed, choose(*changed)).SerializeAsString(), plan(asked, choose(asked)).SerializeAsString());
  EXPECT_EQ(changed->recipe.fields.lora().target_modules_size(), 7);
  EXPECT_EQ(withOverrides(inputs, {"lora.target_modules=w_proj"}).status().message(),
            "--set lora.target_modules=w_proj: lora.target_modules names w_proj; must be of q_proj, k_proj, v_proj, "
            "o_proj, gate_proj, up_proj, down_proj, or all-linear alone; did you mean \"q_proj\"?");
}

TEST_F(PipelineTest, TheFormOfAttentionAndOfAdaptersAreChoices) {
  const Inputs inputs = load();
  Choices choices = choose(inputs);
  EXPECT_TRUE(choices.libraryAttention && choices.foldAdapters);
  const plan::Plan library = plan(inputs, choices);
  EXPECT_EQ(library.target().attention(), "library");
  choices.libraryAttention = false;
  const plan::Plan tiled = plan(inputs, choices);
  EXPECT_EQ(tiled.target().attention(), "tiled");
  for (const plan::Segment &segment : tiled.segments())
    for (const plan::Step &step : segment.steps())
      EXPECT_FALSE(step.has_attention()) << step.name();
  auto gemms = [](const plan::Plan &plan) {
    int count = 0;
    for (const plan::Step &step : plan.segments(0).steps())
      count += step.has_gemm();
    return count;
  };
  choices.foldAdapters = false;
  EXPECT_GT(gemms(plan(inputs, choices)), gemms(tiled)); // the low-rank products stand alone
}

TEST_F(PipelineTest, DeterminismIsGivenUpWhereItsWorkspaceDoesNotFit) {
  Inputs inputs = load();
  const plan::Plan deterministic = plan(inputs, choose(inputs));
  ASSERT_TRUE(deterministic.deterministic());
  inputs.target.set_memory_bytes(rt::fitOf(deterministic).needs() - 1);
  rt::Expected<Compilation> given = planFrom(inputs, choose(inputs));
  ASSERT_TRUE(given.ok()) << given.status().message();
  EXPECT_FALSE(given->plan.deterministic());
  EXPECT_FALSE(given->choices.deterministic);
  const Inputs insisting = [&] {
    Inputs changed = std::move(*withOverrides(inputs, {"deterministic=TRUE"}));
    changed.target = inputs.target;
    return changed;
  }();
  EXPECT_TRUE(plan(insisting, choose(insisting)).deterministic());
}

TEST_F(PipelineTest, CodesStayTransposedWhereThatFits) {
  auto transposes = [](const Compilation &c, plan::Segment::Kind kind) {
    int count = 0;
    for (const plan::Segment &segment : c.plan.segments())
      for (const plan::Step &step : segment.steps())
        count += segment.kind() == kind && step.has_transpose();
    return count;
  };
  Inputs inputs = load({"quantization.type=FP8"});
  const rt::Expected<Compilation> kept = planFrom(inputs, choose(inputs));
  ASSERT_TRUE(kept.ok()) << kept.status().message();
  EXPECT_TRUE(kept->choices.keepTransposes);
  EXPECT_GT(transposes(*kept, plan::Segment::INITIALIZE), 0);
  EXPECT_EQ(transposes(*kept, plan::Segment::ACCUMULATE_FIRST), 0);
  inputs.target.set_memory_bytes(rt::fitOf(kept->plan).needs() - 1);
  const rt::Expected<Compilation> ahead = planFrom(inputs, choose(inputs));
  ASSERT_TRUE(ahead.ok()) << ahead.status().message();
  EXPECT_FALSE(ahead->choices.keepTransposes);
  EXPECT_EQ(transposes(*ahead, plan::Segment::INITIALIZE), 0);
  EXPECT_EQ(transposes(*ahead, plan::Segment::ACCUMULATE_FIRST), transposes(*kept, plan::Segment::INITIALIZE));
  EXPECT_LT(rt::fitOf(ahead->plan).needs(), rt::fitOf(kept->plan).needs());
}

TEST_F(PipelineTest, CodesAreMultipliedWhereTheTargetDoesAndTheRecipeLetsIt) {
  EXPECT_TRUE(choose(load({"quantization.type=FP8"})).multiplyCodes);
  EXPECT_FALSE(choose(load({"quantization.type=FP8", "quantization.products=DEQUANTIZED"})).multiplyCodes);
  EXPECT_FALSE(choose(load({"quantization.type=FP8", "target=a100-80gb"})).multiplyCodes);
  EXPECT_FALSE(choose(load({"quantization.type=NF4"})).multiplyCodes);
  EXPECT_NE(refusal({"quantization.type=FP8", "quantization.products=FP8", "target=rtx4090"})
                .find("quantization.products is FP8, and rtx4090 has no products of FP8 with a scale for each row"),
            std::string::npos);
}

TEST_F(PipelineTest, GraphsOverSeveralCardsTakeMemoryByTheirExchanges) {
  auto exchanges = [](const plan::Plan &plan) {
    uint64_t count = 0;
    for (const plan::Segment &segment : plan.segments())
      for (const plan::Step &step : segment.steps())
        count += step.has_collective();
    return count;
  };
  const Inputs one = load();
  const uint64_t base = one.target.outside_arenas_bytes(), each = one.target.outside_bytes_per_exchange();
  ASSERT_GT(each, 0u);
  EXPECT_EQ(plan(one, choose(one)).target().outside_arenas(), base);
  for (const uint64_t ranks : {2, 4}) {
    const Inputs inputs = load({"parallelism.strategy=FSDP", "parallelism.dp_shard_size=" + std::to_string(ranks),
                                "parallelism.shard_frozen=TRUE"});
    const plan::Plan several = plan(inputs, choose(inputs));
    ASSERT_GT(exchanges(several), 0u);
    EXPECT_EQ(several.target().outside_arenas(), base + each * exchanges(several) * (ranks - 1));
    EXPECT_FALSE(rt::countsNccl(several));
  }
}

TEST_F(PipelineTest, APlanDoesNotGrowWithItsHosts) {
  size_t bytes = 0;
  for (const uint64_t ranks : {16, 128, 1024}) {
    Inputs inputs = load({"parallelism.strategy=FSDP", "parallelism.dp_shard_size=" + std::to_string(ranks),
                          "parallelism.shard_frozen=TRUE"});
    inputs.target.set_host_memory_bytes(256ull << 30);
    const plan::Plan hosts = plan(inputs, choose(inputs));
    EXPECT_EQ(hosts.target().host_memory(), (ranks / inputs.target.cards_per_host()) * (256ull << 30));
    EXPECT_EQ(hosts.target().outside_arenas(), inputs.target.outside_arenas_bytes() + inputs.target.nccl_bytes());
    EXPECT_TRUE(rt::countsNccl(hosts));
    for (const plan::Segment &segment : hosts.segments())
      for (const plan::Step &step : segment.steps())
        EXPECT_EQ(step.collective().kernels_size(), 0) << step.name() << ": NCCL reduces";
    bytes = bytes ? bytes : hosts.ByteSizeLong();
    EXPECT_NEAR(double(hosts.ByteSizeLong()), double(bytes), 0.05 * double(bytes)) << ranks << " ranks";
  }
}

TEST_F(PipelineTest, SaysWhetherCardsOfOneHostFitThroughNcclAsWell) {
  const std::string through = "through NCCL (ftrun --collectives nccl, or several processes) each card needs ";
  const auto noted = [&](const plan::Plan &plan) {
    for (const std::string &note : plan.stats().notes())
      if (note.starts_with(through))
        return note.substr(through.size());
    return std::string();
  };
  Inputs inputs = load({"parallelism.dp_replicate_size=2"});
  const plan::Plan two = plan(inputs, choose(inputs));
  EXPECT_EQ(noted(two), "0.90 GiB more outside the arenas: that fits as well");
  inputs.target.set_memory_bytes(rt::fitOf(two).needs() + inputs.target.nccl_bytes() - 1);
  EXPECT_EQ(noted(plan(inputs, choose(inputs))), "0.90 GiB more outside the arenas: that does not fit");
  const Inputs one = load(), hosts = load({"parallelism.dp_replicate_size=16"});
  EXPECT_EQ(noted(plan(one, choose(one))), "");
  EXPECT_EQ(noted(plan(hosts, choose(hosts))), "");
}

/// Launches of @update that update parameters.
int updateLaunches(const plan::Plan &plan) {
  int count = 0;
  for (const plan::Segment &segment : plan.segments())
    if (segment.kind() == plan::Segment::UPDATE)
      for (const plan::Step &step : segment.steps())
        count += step.has_launch() && step.name().starts_with("update.");
  return count;
}

// 134 million parameters are five buckets of gradients, which two ranks exchange one by one. Where all that an update
// touches lies behind one another, one launch updates all; moments that are shares do not, nor do norms, whose update
// differs.
TEST_F(PipelineTest, BucketsAreUpdatedTogetherWhereTheyMay) {
  std::ofstream(request.recipePath) << R"(base_model: "smollm2-135m"
target: "cpu"
precision: FP32_TRUE
sequence_len: 32
micro_batch_size: 1
max_document_len: 32
max_documents_per_row: 1
learning_rate: 1e-3
)";
  struct {
    std::vector<std::string> sets;
    int exchanged, updates;
  } const cases[] = {{{}, 0, 1},
                     {{"parallelism.dp_replicate_size=2"}, 5, 1},
                     {{"parallelism.dp_replicate_size=2", "gradient_accumulation_steps=2"}, 5, 1},
                     {{"weight_decay=0.1", "parallelism.dp_replicate_size=2"}, 6, 2},
                     {{"parallelism.strategy=ZERO1", "parallelism.dp_shard_size=2"}, 5, 5},
                     {{"optim=SGD", "sgd_momentum=0.9"}, 0, 1},
                     {{"optim=LION", "weight_decay=0.1"}, 0, 2}};
  for (const auto &[sets, exchanged, updates] : cases) {
    const Inputs inputs = load(sets);
    const plan::Plan made = plan(inputs, choose(inputs));
    int collectives = 0;
    for (const plan::Segment &segment : made.segments())
      if (segment.kind() == plan::Segment::ACCUMULATE_FIRST || segment.kind() == plan::Segment::ACCUMULATE_LAST)
        for (const plan::Step &step : segment.steps())
          collectives += step.has_collective() && step.collective().dtype() == plan::F32;
    EXPECT_EQ(collectives, exchanged) << (sets.empty() ? "one rank" : sets.front());
    EXPECT_EQ(updateLaunches(made), updates) << (sets.empty() ? "one rank" : sets.front());
  }
}

TEST_F(PipelineTest, NothingIsSplitOverOneRank) {
  const Inputs inputs = load({"parallelism.strategy=AUTO", "parallelism.dp_shard_size=1",
                              "parallelism.dp_replicate_size=2", "parallelism.shard_frozen=TRUE"});
  rt::Expected<Compilation> compiled = planFrom(inputs, choose(inputs));
  ASSERT_TRUE(compiled.ok()) << compiled.status().message();
  EXPECT_FALSE(compiled->choices.splitFrozen);
  EXPECT_EQ(compiled->choices.strategy, Strategy::Ddp);
}

/// Heads of q and k that were normalised lie in no product's result, and are made again apart from the first time.
TEST_F(PipelineTest, AttentionFindsWhatIsMadeAgainAtOnePitch) {
  for (const char *mode : {"NONE", "SELECTIVE", "FULL"})
    for (const char *documents : {"1", "4"})
      for (const char *form : {"lora.r=4", "lora.target_modules=all-linear"}) {
        std::vector<std::string> sets = {"base_model=tiny-qwen3", std::string("gradient_checkpointing=") + mode, form,
                                         std::string("max_documents_per_row=") + documents};
        for (const bool library : {true, false}) {
          const Inputs inputs = load(sets);
          Choices choices = choose(inputs);
          choices.libraryAttention = library;
          const rt::Expected<Compilation> made = planFrom(inputs, choices);
          EXPECT_TRUE(made.ok()) << mode << ", " << documents << ", " << form << ": " << made.status().message();
        }
      }
}

TEST_F(PipelineTest, AutoSplitsTheLeastThatFits) {
  std::ofstream(request.recipePath) << "base_model: \"tiny-llama-1.1b\" target: \"h200\" precision: BF16_MIXED\n"
                                       "sequence_len: 64 micro_batch_size: 1 learning_rate: 1e-3 deterministic: TRUE\n";
  Inputs inputs = load({"parallelism.strategy=AUTO", "parallelism.dp_shard_size=4"});
  uint64_t least = UINT64_MAX;
  for (const std::string name : {"DDP", "ZERO1", "ZERO2", "FSDP"}) {
    const std::string size = name == "DDP" ? "dp_replicate_size" : "dp_shard_size";
    const Inputs asked = load({"parallelism.strategy=" + name, "parallelism." + size + "=4"});
    const uint64_t needs = rt::fitOf(plan(asked, choose(asked))).needs();
    ASSERT_LT(needs, least) << name << " is no smaller than the one before";
    inputs.target.set_memory_bytes(least = needs);
    const rt::Expected<Compilation> taken = planFrom(inputs, choose(inputs));
    ASSERT_TRUE(taken.ok()) << taken.status().message();
    EXPECT_EQ(strategyName(taken->choices), name);
  }
  inputs.target.set_memory_bytes(least - 1); // none fits: the last says by how much
  EXPECT_STREQ(strategyName(planFrom(inputs, choose(inputs))->choices), "FSDP");
}

TEST_F(PipelineTest, AnErrorOfTheShapeHasThePlaceOfItsField) {
  EXPECT_EQ(errorOf(load({"sequence_len=256", "max_document_len=256"})),
            "--set sequence_len=256: sequence_len is 256; must be at most 128, the model's max_position_embeddings");
  std::ofstream(request.recipePath) << "base_model: \"tiny-gqa\" precision: FP32_TRUE learning_rate: 1\n"
                                       "\nsequence_len: 136 micro_batch_size: 1\n";
  EXPECT_EQ(errorOf(load()), request.recipePath + ":3: sequence_len is 136; must be at most 128, the model's "
                                                  "max_position_embeddings");
  request.headLanes = 10;
  EXPECT_EQ(errorOf(load({"sequence_len=64"})), request.recipePath +
                                                    ": a head is stored in 10 lanes; must be a "
                                                    "multiple of 4 and at least head_dim, which is 16");
}

/// A cache of the Hub with the config of owner/name, and none but the config.
TEST_F(PipelineTest, ABaseModelIsFoundInTheCacheOfTheHub) {
  const fs::path cache = testing::TempDir() + "pipeline-hub",
                 model = cache / "models--own--er" / "snapshots" / "123abc";
  fs::create_directories(model);
  fs::create_directories(model.parent_path().parent_path() / "refs");
  std::ofstream(model.parent_path().parent_path() / "refs" / "main") << "123abc";
  setenv("HF_HUB_CACHE", cache.c_str(), 1);
  std::ofstream(request.recipePath) << "base_model: \"own/er\" precision: FP32_TRUE learning_rate: 1\n"
                                       "sequence_len: 16 micro_batch_size: 1\n";
  EXPECT_NE(refusal({}).find("has no config.json; fetch it: hf download own/er config.json"), std::string::npos);
  fs::copy_file(fs::path(request.recipesFolder) / "models/tiny-gqa/config.json", model / "config.json");
  EXPECT_EQ(load().model.hubName, "own/er");
  const std::string absent = refusal({"base_model=own/other@v2"});
  EXPECT_NE(absent.find("v2 of own/other is not in the cache"), std::string::npos) << absent;
  EXPECT_NE(absent.find("hf download own/other config.json --revision v2"), std::string::npos) << absent;
  unsetenv("HF_HUB_CACHE");
  fs::remove_all(cache);
}

} // namespace
