#include "compiler/Report/WaysOut.h"

#include "compiler/Report/Report.h"
#include "runtime/Plan/Memory.h"
#include "runtime/Plan/Mesh.h"
#include "runtime/Plan/Verify.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Parallel.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>
#include <limits>
#include <optional>

using namespace ft;

namespace {

/// Fields to set, all together.
using Way = std::vector<std::string>;

class Search {
public:
  Search(const plan::Plan &tooLarge, const Inputs &inputs) : tooLarge(tooLarge), inputs(inputs) {}

  /// The plan that the way leads to, where it fits. A way that the recipe or the model cannot go is none.
  std::optional<plan::Plan> fitting(const Way &way) const {
    const rt::Expected<Inputs> changed = withOverrides(inputs, way);
    if (!changed.ok())
      return std::nullopt;
    rt::Expected<Compilation> compiled = planFitting(*changed, choose(*changed));
    if (!compiled.ok() || !rt::fitOf(compiled->plan).fits())
      return std::nullopt;
    return std::move(compiled->plan);
  }

  /// True, and a line of `text`, where the way leads to a plan that fits, and whose step takes less than `most` times
  /// as long. `lastSlower` is that factor.
  bool attempt(const Way &way, double most = std::numeric_limits<double>::infinity()) {
    const std::optional<plan::Plan> plan = fitting(way);
    if (!plan)
      return false;
    const rt::Fit over = rt::fitOf(tooLarge), fit = rt::fitOf(*plan);
    const double slower = plan->stats().predicted_step_us() / tooLarge.stats().predicted_step_us();
    if (slower >= most || !rt::verifyPlan(*plan).ok())
      return false;
    lastSlower = slower;
    const uint32_t ranks = plan::Mesh(*plan).ranks();
    text += fmt::format(
        "{}  fits with --set {}: {}{}{} ({} saved, predicted step ×{:.2f})", text.empty() ? "" : "\n",
        fmt::join(way, " --set "), gib(fit.needs()), ranks > 1 ? fmt::format(" on each of {}", ranks) : "",
        over.fitsHost() ? "" : fmt::format(", and {} of the host", gib(fit.host)),
        over.fitsDevice() ? gib(over.host - fit.host) + " of the host" : gib(over.needs() - fit.needs()), slower);
    return true;
  }

  std::string text;
  double lastSlower = 0;

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

/// A frozen base in fewer bits than the recipe has it: in FP8 where the target multiplies that, by what was measured.
std::vector<Way> smallerBases(const Inputs &inputs) {
  const recipe::Quantization &has = inputs.recipe.fields.quantization();
  std::vector<Way> ways;
  if (!inputs.recipe.fields.has_quantization() && inputs.target.driver() == "cuda" && inputs.target.fp8_tflops() > 0)
    ways.push_back({"quantization.type=FP8"});
  if (has.type() != recipe::QuantizationType::NF4)
    ways.push_back({"quantization.type=NF4"});
  else if (!has.double_quant())
    ways.push_back({"quantization.double_quant=true"});
  return ways;
}

/// Shares on as few cards as it takes, at most those of one host: of a recipe for one, for fewer that share, or for
/// several that hold everything, which then share first.
std::vector<Way> severalCards(const Inputs &inputs) {
  std::vector<Way> ways;
  const recipe::Recipe &r = inputs.recipe.fields;
  const bool whole = r.parallelism().strategy() == recipe::Strategy::DDP || !r.has_parallelism();
  const uint64_t copies = std::max<uint64_t>(r.parallelism().dp_replicate_size(), 1);
  const uint64_t most = inputs.target.cards_per_host() / (whole ? 1 : copies);
  const uint64_t first =
      whole ? std::max<uint64_t>(copies, 2) : 2 * std::max<uint64_t>(r.parallelism().dp_shard_size(), 1);
  if (inputs.target.driver() != "cuda")
    return ways;
  for (uint64_t cards = first; cards <= most; cards *= 2) {
    ways.push_back({fmt::format("parallelism.dp_shard_size={}", cards)});
    if (whole)
      ways.back().insert(ways.back().begin(), "parallelism.strategy=FSDP");
    if (whole && copies > 1)
      ways.back().push_back("parallelism.dp_replicate_size=1");
  }
  return ways;
}

/// Values on the host, where that is faster than to make them again, which takes `again` times as long.
void tryParking(const Inputs &inputs, double again, Search &search) {
  constexpr double worthIt = 0.02; // of a step
  const recipe::Recipe &r = inputs.recipe.fields;
  const bool fitsSlowly = again > 1 + worthIt && inputs.target.driver() == "cuda" &&
                          r.activation_offload() == recipe::ActivationOffload::FALSE &&
                          search.fitting({"gradient_checkpointing=FULL", "activation_offload=TRUE"});
  if (fitsSlowly)
    search.attempt({"gradient_checkpointing=AUTO", "activation_offload=AUTO"}, again - worthIt);
}

/// Values made again, of smaller micro-batches where that is not enough, or on the host.
void tryRecomputation(const Inputs &inputs, Search &search) {
  double again = std::numeric_limits<double>::infinity(); // what it costs to make values again
  if (inputs.recipe.fields.gradient_checkpointing() != recipe::GradientCheckpointing::AUTO) {
    if (search.attempt({"gradient_checkpointing=AUTO"}))
      again = search.lastSlower;
    else
      for (Way &way : smallerBatches(inputs.recipe)) {
        way.push_back("gradient_checkpointing=AUTO");
        if (search.attempt(way))
          break;
      }
  }
  tryParking(inputs, again, search);
}

/// Behind `first`; where that is not enough, with values made again as well.
void trySmallerBase(const Inputs &inputs, Way way, const Way &base, Search &search) {
  way.insert(way.end(), base.begin(), base.end());
  if (search.attempt(way) || inputs.recipe.fields.gradient_checkpointing() == recipe::GradientCheckpointing::AUTO)
    return;
  way.push_back("gradient_checkpointing=AUTO");
  search.attempt(way);
}

void tryAdapters(const Inputs &inputs, Search &search) {
  const Way adapters{"lora.r=16", "optimizer_state_dtype=F32"};
  if (!search.attempt(adapters))
    for (const Way &base : smallerBases(inputs))
      trySmallerBase(inputs, adapters, base, search);
}

/// The first that fits.
void tryInTurn(const std::vector<Way> &ways, Search &search) {
  for (const Way &way : ways)
    if (search.attempt(way))
      return;
}

/// What states of the optimizer cost, where it has such as can be stored in less.
std::vector<Way> smallerStates(const Inputs &inputs) {
  const recipe::Recipe &r = inputs.recipe.fields;
  std::vector<Way> ways;
  if (r.optim() == recipe::Optimizer::SGD || r.has_lora())
    return ways;
  const bool mixed = r.precision() == recipe::Precision::BF16_MIXED;
  const bool bf16 = mixed || r.precision() == recipe::Precision::BF16_TRUE;
  if (bf16 && r.optimizer_state_dtype() == recipe::StateDtype::F32)
    ways.push_back({"optimizer_state_dtype=BF16"});
  if (r.precision() != recipe::Precision::FP64_TRUE && r.optimizer_state_dtype() != recipe::StateDtype::INT8)
    ways.push_back({"optimizer_state_dtype=INT8"});
  if (mixed && r.master_dtype() == recipe::MasterDtype::F32)
    ways.push_back({"master_dtype=BF16_REMAINDER"});
  return ways;
}

/// Less on the host, where that is what has too little memory.
void trySmallerShares(const recipe::Recipe &r, Search &search) {
  if (r.activation_offload() != recipe::ActivationOffload::FALSE)
    search.attempt({"activation_offload=FALSE"});
  if (!r.offload_optimizer().has_fraction()) // AUTO has taken the least that fits the card
    return;
  for (const double share : {0.75, 0.5, 0.25, 0.0})
    if (share < r.offload_optimizer().fraction() &&
        search.attempt({fmt::format("offload_optimizer.fraction={}", share)}))
      return;
}

/// One or several ways of which each follows from those before it; others do not depend on them.
using Attempts = std::function<void(Search &)>;

/// In the order of the lines.
std::vector<Attempts> attemptsOf(const Inputs &inputs, bool hostIsFull) {
  const recipe::Recipe &r = inputs.recipe.fields;
  std::vector<Attempts> all;
  auto add = [&](const Way &way) { all.push_back([way](Search &search) { search.attempt(way); }); };
  if (hostIsFull)
    all.push_back([&r](Search &search) { trySmallerShares(r, search); });
  if (r.precision() == recipe::Precision::FP32_TRUE)
    add({inputs.target.bf16() ? "precision=BF16_TRUE" : "precision=FP16_MIXED"});
  all.push_back([&](Search &search) { tryInTurn(smallerBatches(inputs.recipe), search); });
  all.push_back([&](Search &search) { tryRecomputation(inputs, search); });
  llvm::for_each(smallerStates(inputs), add);
  if (!r.has_offload_optimizer())
    add({"offload_optimizer.device=CPU"});
  if (!r.has_lora()) {
    add({"optim=SGD"});
    all.push_back([&](Search &search) { tryAdapters(inputs, search); });
  } else {
    for (const Way &base : smallerBases(inputs))
      all.push_back([&inputs, base](Search &search) { trySmallerBase(inputs, {}, base, search); });
  }
  all.push_back([&](Search &search) { tryInTurn(severalCards(inputs), search); });
  return all;
}

} // namespace

std::string ft::waysOut(const plan::Plan &tooLarge, const Inputs &inputs) {
  const bool hostIsFull = !rt::fitOf(tooLarge).fitsHost();
  const std::vector<Attempts> all = attemptsOf(inputs, hostIsFull);
  std::vector<Search> searches(all.size(), Search(tooLarge, inputs));
  llvm::parallelFor(0, all.size(), [&](size_t i) { all[i](searches[i]); });
  std::string text;
  for (const Search &search : searches)
    text += (text.empty() || search.text.empty() ? "" : "\n") + search.text;
  if (!text.empty())
    return text;
  return std::string("  none of: a smaller micro-batch, bf16, values made again or on the host, another optimizer, its "
                     "states on the host, adapters, a base in fewer bits, several cards; take a larger target") +
         (hostIsFull ? ", or a host with more memory" : "");
}
