// ftrun --tune.
#include "runtime/Program/RankProgram.h"
#include "runtime/Program/Tuner.h"
#include "runtime/Support/AtomicFile.h"
#include "runtime/Training/RunInputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

using namespace ft;
using namespace ft::rt;

namespace {
Status checkTuning(const RunOptions &options, const plan::Plan &plan) {
  if (options.launch)
    return badInput(fmt::format("--tune {}: {} started several processes; start it alone, on one of the GPUs",
                                options.tune, options.launch->launcher));
  if (plan.target().driver() != plan::CUDA)
    return badInput(fmt::format("--tune {}: the plan is for target {}; products on a processor are computed in one "
                                "way: leave it out",
                                options.tune, plan.target().name()));
  std::error_code none;
  if (!options.overwrite && std::filesystem::exists(options.tune, none))
    return badInput(fmt::format("--tune {}: is there already; name a new file, or pass --overwrite", options.tune));
  return checkReplaceable(options.tune);
}

/// Those that take most first; what takes less than a hundredth is told together.
void tell(Console &console, std::vector<TunedProduct> found, const std::vector<std::string> &products) {
  const auto total = [](const TunedProduct &product) { return product.firstMs * double(product.uses); };
  std::sort(found.begin(), found.end(),
            [&](const TunedProduct &a, const TunedProduct &b) { return total(a) > total(b); });
  double first = 0, now = 0;
  for (const TunedProduct &product : found)
    first += total(product), now += product.ms * double(product.uses);
  console.line("       ms      taken  ways  uses  product: what is taken");
  for (const TunedProduct &product : found)
    if (total(product) >= first / 100)
      console.line(fmt::format("{:9.4f} {:9.4f}{} {:5} {:5}  {}", product.firstMs, product.ms,
                               product.taken ? "*" : " ", product.ways, product.uses, products[product.handle]));
  console.line(fmt::format("all products of the plan, once: {:.2f} ms as the library chooses, {:.2f} ms as measured; * "
                           "another than its choice",
                           first, now));
}
} // namespace

Status ft::rt::tunePlan(const RunOptions &options, Console &console) {
  FT_ASSIGN_OR_RETURN(const std::unique_ptr<PlanFile> file, openPlan(options.plan));
  const plan::Plan &plan = file->plan;
  FT_RETURN_IF_ERROR(checkTuning(options, plan));
  FT_ASSIGN_OR_RETURN(const std::unique_ptr<Device> device, openCudaDevice(options.gpu.value_or(0)));
  FT_RETURN_IF_ERROR(checkTarget(plan, *device));
  FT_ASSIGN_OR_RETURN(const Arenas arenas, Arenas::reserve(plan, *device));
  FT_RETURN_IF_ERROR(device->createQueues(/*streams=*/1, /*events=*/2));
  const auto atWork = [&](double done) {
    if (console.isTerminal())
      console.bar(done, "measuring products");
  };
  auto found = tuneProducts(plan, arenas, *device, atWork);
  if (console.isTerminal())
    console.clearBar();
  FT_RETURN_IF_ERROR(found.status());
  FT_RETURN_IF_ERROR(writeFileAtomically(options.tune, toJson(algorithmsOf(*device))));
  tell(console, std::move(*found), device->products());
  console.line(fmt::format("wrote {}; ftrun {} --algorithms {} uses it", options.tune, options.plan, options.tune));
  return {};
}
