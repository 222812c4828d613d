// What is taken where a recipe says AUTO, and how memory decides it.
#include "compiler/Pipeline/Candidates.h"
#include "compiler/Pipeline/LayerCosts.h"
#include "compiler/Pipeline/Pipeline.h"

#include "runtime/Plan/Memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>

using namespace ft;
namespace fs = std::filesystem;

namespace {

constexpr const char *recipeText = R"(base_model: "tiny-llama-1.1b"
target: "h200"
precision: BF16_TRUE
sequence_len: 512
micro_batch_size: 4
deterministic: TRUE
max_documents_per_row: 1
learning_rate: 1e-3
lora { r: 4 target_modules: "all-linear" }
)";

/// All weights, of many micro-batches a step: what the host takes is little beside them.
constexpr const char *fullText = R"(base_model: "tiny-llama-1.1b"
target: "h200"
precision: BF16_TRUE
optimizer_state_dtype: BF16
sequence_len: 512
micro_batch_size: 8
gradient_accumulation_steps: 64
deterministic: TRUE
max_documents_per_row: 1
learning_rate: 1e-3
)";

class SearchTest : public testing::Test {
protected:
  void SetUp() override {
    folder = fs::temp_directory_path() / ("ftc-search-" + std::to_string(::getpid()));
    fs::create_directories(folder);
  }
  void TearDown() override { fs::remove_all(folder); }

  Inputs load(std::vector<std::string> overrides, const char *text = recipeText) {
    CompileRequest request;
    request.recipePath = (folder / "recipe.textproto").string();
    request.recipesFolder = "recipes";
    request.overrides = std::move(overrides);
    std::ofstream(request.recipePath) << text;
    rt::Expected<Inputs> inputs = loadInputs(request);
    EXPECT_TRUE(inputs.ok()) << inputs.status().message();
    return std::move(*inputs);
  }
  Compilation plan(std::vector<std::string> overrides, const char *text = recipeText) {
    const Inputs inputs = load(std::move(overrides), text);
    rt::Expected<Compilation> compiled = planFrom(inputs, choose(inputs));
    EXPECT_TRUE(compiled.ok()) << compiled.status().message();
    return std::move(*compiled);
  }
  static uint64_t needs(const Compilation &c) { return rt::fitOf(c.plan).needs(); }
  static double us(const Compilation &c) { return c.plan.stats().predicted_step_us(); }

  fs::path folder;
};

TEST_F(SearchTest, PoliciesTradeTimeForMemory) {
  const Compilation none = plan({}), selective = plan({"gradient_checkpointing=SELECTIVE"}),
                    full = plan({"gradient_checkpointing=FULL"}), fastest = plan({"gradient_checkpointing=AUTO"});
  EXPECT_LT(needs(none), needs(fastest));
  EXPECT_LT(needs(selective), needs(none));
  EXPECT_LT(needs(full), needs(selective));
  EXPECT_LT(us(fastest), us(none));
  EXPECT_LT(us(none), us(selective));
  EXPECT_LT(us(selective), us(full));
  EXPECT_EQ(fastest.choices.recompute.rest, Recompute::Nothing);
  EXPECT_NE(
      fastest.plan.stats().notes(0).find("gradient_checkpointing AUTO took keeping everything: none is predicted"),
      std::string::npos);
}

TEST_F(SearchTest, TheFastestThatFitsIsTaken) {
  const std::string automatic = "gradient_checkpointing=AUTO";
  const uint64_t most = needs(plan({automatic})), least = needs(plan({"gradient_checkpointing=FULL"}));
  double before = 1e300;
  std::mt19937_64 random(7);
  std::vector<uint64_t> budgets{least, most};
  for (int i = 0; i < 3; ++i)
    budgets.push_back(least + random() % (most - least));
  std::sort(budgets.begin(), budgets.end());
  for (const uint64_t budget : budgets) {
    const Compilation c = plan({automatic, "memory_budget=" + std::to_string(budget)});
    EXPECT_LE(needs(c), budget);
    EXPECT_LE(us(c), before) << "with more memory, " << budget;
    // A layer less would not do: what is left is less than one more layer gives.
    EXPECT_GT(needs(c) + (most - least) / 10, std::min(budget, most)) << budget;
    before = us(c);
  }
  const Compilation tooLarge = plan({automatic, "memory_budget=" + std::to_string(least - 1)});
  EXPECT_FALSE(rt::fitOf(tooLarge.plan).fits());
}

/// Gradients that leave are another choice only where the host updates and a step is one micro-batch.
TEST_F(SearchTest, WhatIsMeasuredOnceIsMeasured) {
  const std::vector<std::string> tiny{"base_model=tiny-gqa", "sequence_len=128", "offload_optimizer.device=CPU"};
  const Inputs inputs = load(tiny, fullText);
  MeasuredCosts measured(inputs);
  for (const double onHost : {0.0, 1.0})
    for (const int64_t steps : {1, 2})
      for (const bool leave : {false, true}) {
        Choices choices = choose(inputs);
        choices.hostFraction = onHost;
        choices.accumulationSteps = steps;
        choices.gradientsLeave = leave;
        const RecomputePolicy policy = choices.recompute;
        rt::Expected<LayerCosts> costs = measured.of(choices, {policy}),
                                 alone = LayerCosts::measure(inputs, choices, {policy});
        ASSERT_TRUE(costs.ok() && alone.ok()) << costs.status().message() << alone.status().message();
        EXPECT_EQ(costs->needs(policy), alone->needs(policy)) << onHost << ' ' << steps << ' ' << leave;
        EXPECT_EQ(costs->us(policy), alone->us(policy)) << onHost << ' ' << steps << ' ' << leave;
      }
}

TEST_F(SearchTest, WhatIsCountedIsWhatIsPlanned) {
  const Inputs inputs = load({"gradient_checkpointing=AUTO"});
  MeasuredCosts measured(inputs);
  rt::Expected<std::vector<Candidate>> candidates = candidatesOf(inputs, choose(inputs), measured);
  ASSERT_TRUE(candidates.ok()) << candidates.status().message();
  EXPECT_EQ(candidates->size(), 1 + 3 * size_t(inputs.model.layers));
  for (size_t i = 0; i < candidates->size(); i += 16) {
    const Candidate &candidate = (*candidates)[i];
    rt::Expected<Compilation> c = planExactly(inputs, candidate.choices);
    ASSERT_TRUE(c.ok()) << c.status().message();
    const std::string what = policyText(candidate.choices.recompute, inputs.model.layers);
    EXPECT_NEAR(candidate.us / us(*c), 1, 1e-6) << what;
    EXPECT_NEAR(double(candidate.needs) / double(needs(*c)), 1, 2e-3) << what;
  }
}

/// Each candidate planned, beside what is taken at budgets at which that changes.
TEST_F(SearchTest, WhatIsTakenIsTheFastestOfAllPlans) {
  const std::vector<std::vector<std::string>> forms{
      {"activation_offload=AUTO", "micro_batch_size=16"},
      {"quantization.type=FP8"},
      {"micro_batch_size=AUTO", "global_batch_size=2", "quantization.type=NF4"},
  };
  for (std::vector<std::string> form : forms) {
    for (const char *set : {"gradient_checkpointing=AUTO", "sequence_len=128", "base_model=tiny-gqa"})
      form.push_back(set);
    const Inputs inputs = load(form);
    MeasuredCosts measured(inputs);
    rt::Expected<std::vector<Candidate>> candidates = candidatesOf(inputs, choose(inputs), measured);
    ASSERT_TRUE(candidates.ok()) << candidates.status().message();
    std::vector<std::pair<uint64_t, double>> plans; // bytes, counted or planned, and time of what may be taken
    for (const Candidate &candidate : *candidates) {
      rt::Expected<Compilation> c = planExactly(inputs, candidate.choices);
      ASSERT_TRUE(c.ok()) << c.status().message();
      EXPECT_NEAR(us(*c) / candidate.us, 1, 1e-9)
          << form[0] << ", " << policyText(candidate.choices.recompute, inputs.model.layers);
      if (!waitsForParked(c->plan))
        plans.emplace_back(std::max(needs(*c), candidate.needs), us(*c));
    }
    std::sort(plans.begin(), plans.end());
    double before = 1e300;
    for (const auto &[bytes, time] : plans) {
      if (time >= before)
        continue;
      before = time;
      std::vector<std::string> held = form;
      held.push_back("memory_budget=" + std::to_string(bytes));
      const Compilation c = plan(held);
      EXPECT_LE(needs(c), bytes) << form[0];
      EXPECT_NEAR(us(c) / before, 1, 1e-9) << form[0] << ", " << bytes;
    }
  }
}

// What no memory is enough for is told by that alone: no candidate needs less, and it is what a refusal shows.
TEST_F(SearchTest, WhereNotEvenTheLeastFitsThatIsShown) {
  const std::vector<std::vector<std::string>> forms{
      {"gradient_checkpointing=AUTO"},
      {"micro_batch_size=AUTO", "global_batch_size=4"},
      {"micro_batch_size=AUTO", "global_batch_size=4", "gradient_checkpointing=AUTO", "activation_offload=AUTO"},
  };
  for (const std::vector<std::string> &form : forms) {
    Inputs inputs = load(form);
    MeasuredCosts measured(inputs);
    rt::Expected<std::vector<Candidate>> candidates = candidatesOf(inputs, choose(inputs), measured);
    ASSERT_TRUE(candidates.ok()) << candidates.status().message();
    uint64_t least = UINT64_MAX;
    for (const Candidate &candidate : *candidates)
      least = std::min(least, candidate.needs);
    inputs.target.set_memory_bytes(least / 2);
    const rt::Expected<Compilation> refused = planFrom(inputs, choose(inputs));
    ASSERT_TRUE(refused.ok()) << refused.status().message();
    EXPECT_FALSE(rt::fitOf(refused->plan).fits());
    EXPECT_NEAR(double(needs(*refused)) / double(least), 1, 2e-3) << form[0];
    EXPECT_EQ(planFitting(inputs, choose(inputs)).status().code(), rt::cannotRun("").code());
    inputs.target.set_memory_bytes(least + least / 100);
    rt::Expected<Compilation> fitting = planFrom(inputs, choose(inputs));
    ASSERT_TRUE(fitting.ok()) << fitting.status().message();
    EXPECT_TRUE(rt::fitOf(fitting->plan).fits()) << form[0];
  }
}

TEST_F(SearchTest, WhatTheHostHoldsIsMissingOnTheDevice) {
  for (const char *mode : {"FULL", "SELECTIVE", "NONE"}) {
    const std::string policy = std::string("gradient_checkpointing=") + mode;
    const Compilation kept = plan({policy}), parked = plan({policy, "activation_offload=TRUE"});
    const uint64_t input = 2ull * 4 * 512 * 2048; // of a block, in bytes; one layer's stays, and four are on their way
    EXPECT_LT(needs(parked) + 16 * input, needs(kept)) << mode;
    EXPECT_GE(rt::fitOf(parked.plan).host, rt::fitOf(kept.plan).host + 21 * input) << mode;
  }
}

TEST_F(SearchTest, ValuesAreParkedWhereThatIsHiddenAndNeeded) {
  const std::vector<std::string> open{"gradient_checkpointing=AUTO", "activation_offload=AUTO", "micro_batch_size=16"};
  auto with = [&](uint64_t budget) {
    std::vector<std::string> all = open;
    if (budget)
      all.push_back("memory_budget=" + std::to_string(budget));
    return plan(all);
  };
  const Compilation most = with(0);
  EXPECT_EQ(most.choices.recompute.park, Park::Nothing) << "there is room for all";
  const uint64_t least = needs(plan({"gradient_checkpointing=FULL", "activation_offload=TRUE", "micro_batch_size=16"}));
  double before = us(most);
  bool anyParked = false;
  for (int part = 7; part >= 0; --part) {
    const Compilation c = with(least + (needs(most) - least) * uint64_t(part) / 8);
    EXPECT_TRUE(rt::fitOf(c.plan).fits()) << part;
    EXPECT_GE(us(c), before * (1 - 1e-9)) << "with less memory, part " << part;
    before = us(c);
    anyParked |= c.choices.recompute.park != Park::Nothing;
  }
  EXPECT_TRUE(anyParked);
  const Compilation full = plan({"gradient_checkpointing=FULL", "micro_batch_size=16"});
  EXPECT_LT(us(with(needs(full))), us(full) * 0.99) << "less is made again";
}

TEST_F(SearchTest, WhatIsNotHiddenIsNotTaken) {
  Inputs inputs = load({"gradient_checkpointing=AUTO", "activation_offload=AUTO"});
  inputs.target.set_link_gb_per_s(0.5);
  MeasuredCosts measured(inputs);
  rt::Expected<std::vector<Candidate>> candidates = candidatesOf(inputs, choose(inputs), measured);
  ASSERT_TRUE(candidates.ok()) << candidates.status().message();
  EXPECT_EQ(candidates->size(), 1 + 3 * size_t(inputs.model.layers));
  for (const Candidate &candidate : *candidates)
    EXPECT_EQ(candidate.choices.recompute.park, Park::Nothing);
}

TEST_F(SearchTest, RowsDivideTheStepAndFit) {
  const std::vector<std::string> open{"micro_batch_size=AUTO", "global_batch_size=6"};
  auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), open.begin(), open.end());
    return plan(more);
  };
  const Compilation most = with({});
  EXPECT_EQ(most.choices.rows * most.choices.accumulationSteps, 6);
  const Compilation half = with({"memory_budget=" + std::to_string(needs(most) - 1)});
  EXPECT_EQ(half.choices.rows * half.choices.accumulationSteps, 6);
  EXPECT_LT(needs(half), needs(most));
  EXPECT_GE(us(half), us(most));
  const std::string text = half.plan.texts(0).content(); // as it was planned
  EXPECT_NE(text.find("micro_batch_size: " + std::to_string(half.choices.rows) + "\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("global_batch_size"), std::string::npos) << text;
}

TEST_F(SearchTest, TheHostTakesTheLeastThatFitsOrMoreWhereThatIsFaster) {
  auto budget = [](uint64_t bytes) { return "memory_budget=" + std::to_string(bytes); };
  const std::string host = "offload_optimizer.device=CPU", all = "offload_optimizer.fraction=1";
  const uint64_t most = needs(plan({}, fullText)), least = needs(plan({host, all}, fullText));
  const Compilation some = plan({host, budget((most + least) / 2)}, fullText);
  EXPECT_GT(some.choices.hostFraction, 0.3);
  EXPECT_LT(some.choices.hostFraction, 0.7) << "more of it would be of no use";
  EXPECT_EQ(plan({host}, fullText).choices.hostFraction, 0) << "all fits";
  // With all on the device, backward must make all again; with all on the host it need not.
  const std::string open = "gradient_checkpointing=AUTO";
  const uint64_t tight = needs(plan({"gradient_checkpointing=FULL"}, fullText)) * 101 / 100;
  const Compilation none = plan({open, budget(tight)}, fullText), chosen = plan({open, host, budget(tight)}, fullText);
  EXPECT_LT(us(chosen), 0.98 * us(none));
  EXPECT_GT(chosen.choices.hostFraction, 0);
  const plan::Stats &stats = chosen.plan.stats();
  EXPECT_NE(std::find_if(stats.notes().begin(), stats.notes().end(),
                         [](const std::string &note) {
                           return note.find("offload_optimizer.fraction AUTO took ") == 0 &&
                                  note.find("; the least that fits, 0.000, is predicted to take ×1.") !=
                                      std::string::npos;
                         }),
            stats.notes().end());
  for (const char *share : {"0.5", "0.75", "1"}) {
    const Compilation other =
        plan({open, host, std::string("offload_optimizer.fraction=") + share, budget(tight)}, fullText);
    EXPECT_LT(us(chosen), 1.021 * us(other)) << share;
  }
}

// With little on the card AUTO takes all there is of the host rather than make values again; a host that lacks a byte
// for that gets less of the states, and where it lacks one for the least that the card needs, nothing fits.
TEST_F(SearchTest, TheHostTakesNoMoreThanItHas) {
  Inputs inputs = load({"gradient_checkpointing=FULL", "offload_optimizer.device=CPU"}, fullText);
  const auto planned = [&] {
    rt::Expected<Compilation> compiled = planFrom(inputs, choose(inputs));
    EXPECT_TRUE(compiled.ok()) << compiled.status().message();
    return std::move(*compiled);
  };
  const uint64_t most = needs(planned());
  inputs = load({"gradient_checkpointing=AUTO", "offload_optimizer.device=CPU",
                 "memory_budget=" + std::to_string(most * 101 / 100)},
                fullText);
  const Compilation free = planned();
  const uint64_t taken = rt::fitOf(free.plan).host;
  ASSERT_GT(free.choices.hostFraction, 0);
  inputs.target.set_host_memory_bytes(taken - 1);
  const Compilation less = planned();
  EXPECT_TRUE(rt::fitOf(less.plan).fits());
  EXPECT_LT(rt::fitOf(less.plan).host, taken);
  EXPECT_LT(less.choices.hostFraction, free.choices.hostFraction);
  EXPECT_GE(us(less), us(free));

  inputs = load({"gradient_checkpointing=FULL", "offload_optimizer.device=CPU",
                 "memory_budget=" + std::to_string(most - (1 << 20))},
                fullText);
  const uint64_t least = rt::fitOf(planned().plan).host;
  inputs.target.set_host_memory_bytes(least - 1);
  const rt::Fit none = rt::fitOf(planned().plan);
  EXPECT_FALSE(none.fitsHost());
  EXPECT_EQ(none.host, least) << "what it would take";
}

TEST_F(SearchTest, GradientsLeaveWhereTheirMemoryIsWanted) {
  const std::string host = "offload_optimizer.device=CPU", all = "offload_optimizer.fraction=1";
  Inputs inputs = load({host, all, "gradient_accumulation_steps=1"}, fullText);
  const auto with = [&](std::optional<bool> leave) {
    inputs.gradientsLeave = leave;
    rt::Expected<Compilation> compiled = planFrom(inputs, choose(inputs));
    EXPECT_TRUE(compiled.ok()) << compiled.status().message();
    return std::move(*compiled);
  };
  const Compilation stay = with(false), leave = with(true);
  EXPECT_TRUE(leave.choices.gradientsLeave);
  const double gradients = 2.0 * double(stay.plan.stats().trainable_parameters()); // in bf16
  EXPECT_LT(double(needs(leave)), double(needs(stay)) - 0.75 * gradients);
  EXPECT_GT(double(rt::fitOf(leave.plan).host), double(rt::fitOf(stay.plan).host) + 0.8 * gradients);
  inputs.target.set_memory_bytes(needs(stay) - 1);
  const Compilation alone = with(std::nullopt);
  EXPECT_TRUE(alone.choices.gradientsLeave);
  EXPECT_EQ(needs(alone), needs(leave));
  EXPECT_NE(alone.plan.stats().notes().rbegin()->find("where they stay it does not fit"), std::string::npos);
  inputs.target.set_host_memory_bytes(rt::fitOf(leave.plan).host - 1);
  EXPECT_FALSE(with(std::nullopt).choices.gradientsLeave) << "the host has no room for them";
}

TEST_F(SearchTest, ManyRanksChooseAlike) {
  const std::vector<std::string> ranks{"gradient_checkpointing=AUTO", "parallelism.strategy=FSDP",
                                       "parallelism.dp_shard_size=2"};
  const Compilation most = plan(ranks);
  std::vector<std::string> tight = ranks;
  tight.push_back("memory_budget=" + std::to_string(needs(most) * 3 / 4));
  const Compilation less = plan(tight);
  EXPECT_LE(needs(less), needs(most) * 3 / 4);
  EXPECT_GE(us(less), us(most));
}

} // namespace
