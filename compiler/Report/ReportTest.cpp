#include "compiler/Report/Report.h"

#include "compiler/Report/WaysOut.h"
#include "runtime/Plan/Memory.h"

#include <gtest/gtest.h>

using namespace ft;

namespace {

Inputs inputsOf(const std::string &recipe, const std::vector<std::string> &overrides, const std::string &gpu) {
  CompileRequest request;
  request.recipePath = "recipes/" + recipe + ".textproto";
  request.overrides = overrides;
  request.gpu = gpu;
  request.recipesFolder = "recipes";
  rt::Expected<Inputs> inputs = loadInputs(request);
  EXPECT_TRUE(inputs.ok()) << inputs.status().message();
  return std::move(*inputs);
}

plan::Plan planOf(const Inputs &inputs) {
  rt::Expected<Compilation> compiled = planFrom(inputs, choose(inputs));
  EXPECT_TRUE(compiled.ok()) << compiled.status().message();
  return std::move(compiled->plan);
}

TEST(Report, SaysOfAPlanWhatItSaysOfItsRecipe) {
  const plan::Plan compiled = planOf(inputsOf("tiny_llama_cpu", {}, "h200"));
  plan::Plan read; // as from a file
  ASSERT_TRUE(read.ParseFromString(compiled.SerializeAsString()));
  EXPECT_EQ(describe(read), describe(compiled));
  EXPECT_EQ(verdict(read), verdict(compiled));
  const std::string text = describe(read);
  for (const char *part : {"target h200 (NVIDIA H200 141 GB)\n", "recipe tiny_llama_cpu: ", "\nmesh dp = 1, attention ",
                           "\npeak of the activations, ", " TFLOP a step (rates: measured on an H200"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "not in\n" << text;
}

// A bound saves time, and no memory; both kinds of steps are predicted.
TEST(Report, SaysWhatABoundOnTargetsSaves) {
  const plan::Plan whole = planOf(inputsOf("bench_lora_1b", {}, "h200"));
  const plan::Plan few = planOf(inputsOf("bench_lora_1b", {"max_target_tokens=8192"}, "h200"));
  const plan::Stats &stats = few.stats();
  EXPECT_EQ(stats.predicted_step_us(), whole.stats().predicted_step_us());
  EXPECT_LT(stats.predicted_targets_step_us(), 0.98 * stats.predicted_step_us());
  EXPECT_GT(stats.predicted_targets_step_us(), 0.90 * stats.predicted_step_us());
  EXPECT_LT(stats.flops_per_targets_step(), 0.98 * stats.flops_per_step());
  const uint64_t inputs = rt::fitOf(few).needs() - rt::fitOf(whole).needs();
  EXPECT_LT(inputs, 1u << 20);
  const std::string text = describe(few);
  for (const char *part : {"\npredicted step of micro-batches of at most 8192 targets ", "\npredicted step of others ",
                           "\nnote: max_target_tokens 8192: of micro-batches of at most 8192 targets head, loss and "})
    EXPECT_NE(text.find(part), std::string::npos) << part << "not in\n" << text;
  EXPECT_EQ(whole.stats().predicted_targets_step_us(), 0);
}

TEST(Report, NamesEveryAxisAndLeavesOutWhatAPlanDoesNotSay) {
  plan::Plan plan;
  plan.mutable_target()->set_name("mine");
  for (const char *name : {"replicate", "shard"}) {
    plan.add_mesh()->set_name(name);
    plan.mutable_mesh(plan.mesh_size() - 1)->set_size(2);
  }
  const std::string text = describe(plan);
  EXPECT_NE(text.find("target mine\n"), std::string::npos) << text;
  EXPECT_NE(text.find("mesh replicate = 2, shard = 2, attention "), std::string::npos) << text;
  EXPECT_EQ(text.find("predicted"), std::string::npos) << text;
}

TEST(WaysOut, AreRecipesThatFit) {
  const Inputs inputs = inputsOf("tiny_llama_cpu", {}, "h200");
  Inputs small = inputs;
  plan::Plan whole = planOf(inputs);
  // A card on which a byte is missing: half the rows do it.
  small.target.set_memory_bytes(rt::fitOf(whole).needs() - 1);
  const plan::Plan tooLarge = planOf(small);
  ASSERT_FALSE(rt::fitOf(tooLarge).fits());
  EXPECT_NE(verdict(tooLarge).find("does not fit h200"), std::string::npos);
  const std::string ways = waysOut(tooLarge, small);
  const std::string prefix = "fits with --set micro_batch_size=";
  const size_t at = ways.find(prefix);
  ASSERT_NE(at, std::string::npos) << ways;
  // Whoever sets the fields of a line gets the plan that the line counted.
  const std::string line = ways.substr(at, ways.find('\n', at) - at);
  const std::string flags = line.substr(10, line.find(':') - 10);
  std::vector<std::string> sets;
  for (size_t from = flags.find("--set "); from != std::string::npos; from = flags.find("--set ", from + 1)) {
    const std::string rest = flags.substr(from + 6);
    sets.push_back(rest.substr(0, rest.find(' ')));
  }
  ASSERT_EQ(sets.size(), 2u) << line;
  const plan::Plan followed = planOf(inputsOf("tiny_llama_cpu", sets, "h200"));
  EXPECT_NE(line.find(": " + gib(rt::fitOf(followed).needs()) + " ("), std::string::npos) << line;
  EXPECT_LT(rt::fitOf(followed).needs(), rt::fitOf(whole).needs());
}

TEST(WaysOut, OfferABaseInNf4ToAdapters) {
  Inputs inputs = inputsOf("open_llama_13b_lora", {"micro_batch_size=1"}, "h200");
  inputs.target.set_memory_bytes(16ull << 30);
  const std::string ways = waysOut(planOf(inputs), inputs);
  EXPECT_NE(ways.find("fits with --set quantization.type=NF4: "), std::string::npos) << ways;
}

// Eight bits save less than four, and where products multiply them they win time rather than cost it.
TEST(WaysOut, OfferABaseInFp8WhereItsProductsAreMeasured) {
  Inputs inputs = inputsOf("open_llama_13b_lora", {"micro_batch_size=1"}, "h200");
  inputs.target.set_memory_bytes(20ull << 30);
  const std::string ways = waysOut(planOf(inputs), inputs);
  const size_t fp8 = ways.find("fits with --set quantization.type=FP8: "), nf4 = ways.find("quantization.type=NF4: ");
  ASSERT_NE(fp8, std::string::npos) << ways;
  ASSERT_NE(nf4, std::string::npos) << ways;
  EXPECT_LT(fp8, nf4);
  EXPECT_NE(ways.substr(fp8, nf4 - fp8).find(" saved, predicted step ×0."), std::string::npos) << ways;
  inputs.target.set_fp8_tflops(0);
  const std::string elsewhere = waysOut(planOf(inputs), inputs);
  EXPECT_EQ(elsewhere.find("FP8"), std::string::npos) << elsewhere;
  EXPECT_NE(elsewhere.find("quantization.type=NF4: "), std::string::npos) << elsewhere;
}

TEST(WaysOut, OfferASmallBaseWithValuesMadeAgainWhereNeitherIsEnough) {
  const Inputs inputs = inputsOf("bench_lora_7b", {}, "rtx4090");
  const std::string ways = waysOut(planOf(inputs), inputs);
  EXPECT_EQ(ways.find("fits with --set quantization.type=NF4: "), std::string::npos) << ways;
  EXPECT_NE(ways.find("fits with --set quantization.type=NF4 --set gradient_checkpointing=AUTO: "), std::string::npos)
      << ways;
}

TEST(WaysOut, OfferFewerBitsToABaseThatHasFewAlready) {
  Inputs inputs = inputsOf("open_llama_13b_lora", {"micro_batch_size=1", "quantization.type=FP8"}, "h200");
  inputs.target.set_memory_bytes(14ull << 30);
  const std::string ways = waysOut(planOf(inputs), inputs);
  EXPECT_NE(ways.find("fits with --set quantization.type=NF4: "), std::string::npos) << ways;
  EXPECT_EQ(ways.find("quantization.type=FP8"), std::string::npos) << ways;
}

// Blocks from their inputs, which the host holds: less than making them again alone takes.
TEST(WaysOut, OfferTheHostsMemoryToValues) {
  Inputs inputs = inputsOf("bench_lora_7b", {"gradient_checkpointing=FULL"}, "h200");
  const plan::Plan full = planOf(inputs);
  inputs.target.set_memory_bytes(rt::fitOf(full).needs() - (1ull << 30)); // more than another engine of attention saves
  const std::string ways = waysOut(planOf(inputs), inputs);
  const std::string way = "fits with --set gradient_checkpointing=AUTO --set activation_offload=AUTO: ";
  EXPECT_NE(ways.find(way), std::string::npos) << ways;
  EXPECT_EQ(ways.find("fits with --set gradient_checkpointing=AUTO: "), std::string::npos) << ways;
}

TEST(WaysOut, OfferTheHostsMemoryToOptimizers) {
  Inputs inputs = inputsOf("tiny_llama_cpu", {}, "h200");
  const plan::Plan whole = planOf(inputs);
  inputs.target.set_memory_bytes(rt::fitOf(whole).needs() - 1);
  EXPECT_NE(waysOut(planOf(inputs), inputs).find("fits with --set offload_optimizer.device=CPU: "), std::string::npos);
  // As little of it as that takes: more than nothing, and all where it takes all.
  auto offloaded = withOverrides(inputs, {"offload_optimizer.device=CPU"});
  ASSERT_TRUE(offloaded.ok());
  const plan::Plan some = planOf(*offloaded);
  EXPECT_TRUE(rt::fitOf(some).fits());
  EXPECT_GT(rt::fitOf(some).host, rt::fitOf(whole).host);
  EXPECT_NE(describe(some).find("note: offload_optimizer.fraction AUTO took 0."), std::string::npos) << describe(some);
  EXPECT_NE(describe(some).find("  host needs "), std::string::npos) << describe(some);
  EXPECT_NE(describe(some).find("the host updates for "), std::string::npos) << describe(some);
  offloaded->target.set_host_memory_bytes(rt::fitOf(some).host - 1);
  EXPECT_NE(verdict(planOf(*offloaded)).find("does not fit a host of h200: needs "), std::string::npos);
}

TEST(WaysOut, TakeLessOfAHostThatIsFull) {
  Inputs inputs = inputsOf("tiny_llama_cpu", {"offload_optimizer.device=CPU", "offload_optimizer.fraction=1"}, "h200");
  const rt::Fit all = rt::fitOf(planOf(inputs));
  inputs.target.set_host_memory_bytes(all.host - 1);
  const plan::Plan plan = planOf(inputs);
  EXPECT_EQ(verdict(plan), "ftc: tiny_llama_cpu does not fit a host of h200: needs " + gib(all.host) +
                               " of its memory, has " + gib(all.host - 1) + " (over by 0.00 GiB)");
  const std::string ways = waysOut(plan, inputs), way = "  fits with --set offload_optimizer.fraction=";
  ASSERT_EQ(ways.find(way), 0u) << ways;
  const std::string share = ways.substr(way.size(), ways.find(':') - way.size());
  auto followed = withOverrides(inputs, {"offload_optimizer.fraction=" + share});
  ASSERT_TRUE(followed.ok());
  const rt::Fit less = rt::fitOf(planOf(*followed));
  EXPECT_LT(less.host, all.host);
  EXPECT_EQ(ways.substr(0, ways.find('\n')), way + share + ": " + gib(less.needs()) + ", and " + gib(less.host) +
                                                 " of the host (" + gib(all.host - less.host) +
                                                 " of the host saved, predicted step ×" +
                                                 ways.substr(ways.find("×") + 2, 5));
  // Both are too small: both are said.
  inputs.target.set_memory_bytes(1 << 20);
  const std::string both = verdict(planOf(inputs));
  EXPECT_NE(both.find("(over by 0.00 GiB); nor h200: needs " + gib(all.needs()) + ", has 0.00 GiB (over by "),
            std::string::npos)
      << both;
  EXPECT_NE(waysOut(planOf(inputs), inputs).find("; take a larger target, or a host with more memory"),
            std::string::npos);
}

TEST(WaysOut, OfferNoMoreCardsThanAHostHas) {
  Inputs inputs = inputsOf("tiny_llama_cpu", {"parallelism.strategy=FSDP", "parallelism.dp_shard_size=2"}, "h200");
  inputs.target.set_outside_bytes_per_exchange(0);
  inputs.target.set_network_gb_per_s(0);
  const plan::Plan two = planOf(inputs);
  inputs.target.set_memory_bytes(rt::fitOf(two).needs() - 1);
  const std::string four = "fits with --set parallelism.dp_shard_size=4: ";
  EXPECT_NE(waysOut(planOf(inputs), inputs).find(four), std::string::npos) << waysOut(planOf(inputs), inputs);
  inputs.target.set_cards_per_host(2);
  EXPECT_EQ(waysOut(planOf(inputs), inputs).find(four), std::string::npos);
}

TEST(WaysOut, SayWhereNoneIs) {
  Inputs inputs = inputsOf("tiny_llama_cpu", {}, "h200");
  inputs.target.set_memory_bytes(1);
  EXPECT_EQ(
      waysOut(planOf(inputs), inputs),
      "  none of: a smaller micro-batch, bf16, values made again or on the host, another optimizer, its states on "
      "the host, adapters, a base in fewer bits, several cards; take a larger target");
}

} // namespace
