#include "compiler/Report/WaysOut.h"

#include "compiler/Report/Report.h"
#include "runtime/Plan/Memory.h"
#include "runtime/Plan/Mesh.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

using namespace ft;

namespace {

/// Fields to set, all together.
using Way = std::vector<std::string>;

class Search {
public:
  Search(const plan::Plan &tooLarge, const Inputs &inputs) : tooLarge(tooLarge), inputs(inputs) {}

  /// True, and a line of `text`, where the way leads to a plan that fits. One that the recipe or the model cannot go is
  /// none.
  bool attempt(const Way &way) {
    const rt::Expected<Inputs> changed = withOverrides(inputs, way);
    if (!changed.ok())
      return false;
    const rt::Expected<Compilation> compiled = planFrom(*changed, choose(*changed));
    if (!compiled.ok() || !rt::fitOf(compiled->plan).fits())
      return false;
    const uint64_t needs = rt::fitOf(compiled->plan).needs();
    const double slower = compiled->plan.stats().predicted_step_us() / tooLarge.stats().predicted_step_us();
    const uint32_t ranks = plan::Mesh(compiled->plan).ranks();
    text += fmt::format("{}  fits with --set {}: {}{} ({} saved, predicted step ×{:.2f})", text.empty() ? "" : "\n",
                        fmt::join(way, " --set "), gib(needs), ranks > 1 ? fmt::format(" on each of {}", ranks) : "",
                        gib(rt::fitOf(tooLarge).needs() - needs), slower);
    return true;
  }

  std::string text;

private:
  const plan::Plan &tooLarge;
  const Inputs &inputs;
};

/// Smaller micro-batches of the same step, largest first.
std::vector<Way> smallerBatches(const LoadedRecipe &recipe) {
  if (recipe.fields.micro_batch_size() == recipe::MicroBatchSize::AUTO)
    return {}; // all of them were tried
  const uint64_t rows = static_cast<uint64_t>(recipe.fields.micro_batch_size());
  const uint64_t steps = recipe.fields.gradient_accumulation_steps();
  std::vector<Way> ways;
  for (uint64_t fewer = rows / 2; fewer >= 1; fewer /= 2) {
    if (rows % fewer != 0)
      continue;
    ways.push_back({fmt::format("micro_batch_size={}", fewer)});
    if (!recipe.globalBatch()) // which would follow by itself
      ways.back().push_back(fmt::format("gradient_accumulation_steps={}", steps * (rows / fewer)));
  }
  return ways;
}

/// Shares on as few cards as it takes, at most those of one host: of a recipe for one, or for fewer that share.
std::vector<Way> severalCards(const Inputs &inputs) {
  std::vector<Way> ways;
  const recipe::Recipe &r = inputs.recipe.fields;
  const bool shares = r.parallelism().dp_shard_size() > 1, one = !r.has_parallelism();
  const uint64_t most = inputs.target.cards_per_host() / std::max<uint64_t>(r.parallelism().dp_replicate_size(), 1);
  if (inputs.target.driver() != "cuda" || !(one || shares))
    return ways;
  for (uint64_t cards = 2 * std::max<uint64_t>(r.parallelism().dp_shard_size(), 1); cards <= most; cards *= 2) {
    ways.push_back({fmt::format("parallelism.dp_shard_size={}", cards)});
    if (one)
      ways.back().insert(ways.back().begin(), "parallelism.strategy=FSDP");
  }
  return ways;
}

} // namespace

std::string ft::waysOut(const plan::Plan &tooLarge, const Inputs &inputs) {
  const recipe::Recipe &r = inputs.recipe.fields;
  Search search(tooLarge, inputs);
  if (r.precision() == recipe::Precision::FP32_TRUE)
    search.attempt({inputs.target.bf16() ? "precision=BF16_TRUE" : "precision=FP16_MIXED"});
  for (const Way &way : smallerBatches(inputs.recipe))
    if (search.attempt(way))
      break;
  if (r.gradient_checkpointing() != recipe::GradientCheckpointing::AUTO &&
      !search.attempt({"gradient_checkpointing=AUTO"}))
    for (Way &way : smallerBatches(inputs.recipe)) {
      way.push_back("gradient_checkpointing=AUTO");
      if (search.attempt(way))
        break;
    }
  const bool bf16 = r.precision() == recipe::Precision::BF16_TRUE || r.precision() == recipe::Precision::BF16_MIXED;
  if (r.optim() == recipe::Optimizer::ADAMW && !r.has_lora() && bf16 &&
      r.optimizer_state_dtype() == recipe::StateDtype::F32)
    search.attempt({"optimizer_state_dtype=BF16"});
  if (r.optim() == recipe::Optimizer::ADAMW && !r.has_lora() && r.precision() == recipe::Precision::BF16_MIXED &&
      r.master_dtype() == recipe::MasterDtype::F32)
    search.attempt({"master_dtype=BF16_REMAINDER"});
  if (!r.has_offload_optimizer())
    search.attempt({"offload_optimizer.device=CPU"});
  if (!r.has_lora()) {
    search.attempt({"optim=SGD"});
    if (const Way adapters{"lora.r=16", "optimizer_state_dtype=F32"}; !search.attempt(adapters))
      search.attempt({adapters[0], adapters[1], "quantization.type=NF4"});
  } else if (!r.has_quantization()) {
    search.attempt({"quantization.type=NF4"});
  }
  for (const Way &way : severalCards(inputs))
    if (search.attempt(way))
      break;
  return search.text.empty() ? "  none of: a smaller micro-batch, bf16, values made again, another optimizer, "
                               "its states on the host, "
                               "adapters, a base in NF4, several cards; "
                               "take a larger target"
                             : search.text;
}
