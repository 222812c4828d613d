#include "compiler/Pipeline/Candidates.h"

#include "compiler/Pipeline/LayerCosts.h"

#include "llvm/ADT/STLExtras.h"

#include <fmt/format.h>

using namespace ft;
using recipe::Recipe;

static bool opensPolicy(const Recipe &r) { return r.gradient_checkpointing() == recipe::GradientCheckpointing::AUTO; }
static bool opensRows(const Recipe &r) { return r.micro_batch_size() == recipe::MicroBatchSize::AUTO; }

bool ft::isOpen(const Inputs &inputs) { return opensPolicy(inputs.recipe.fields) || opensRows(inputs.recipe.fields); }

/// From nothing made again to all of it, each a layer further than the one before: bytes get dearer on the way.
static std::vector<RecomputePolicy> ladder(int64_t layers) {
  std::vector<RecomputePolicy> all{{Recompute::Nothing, Recompute::Nothing, 0}};
  constexpr Recompute steps[] = {Recompute::Nothing, Recompute::Rows, Recompute::Products, Recompute::Blocks};
  for (size_t i = 1; i < std::size(steps); ++i) {
    for (int64_t early = 1; early < layers; ++early)
      all.push_back({steps[i - 1], steps[i], early});
    all.push_back({steps[i], steps[i], 0});
  }
  return all;
}

/// The choices with each number of rows that divides a rank's share of a step, where that is open.
static std::vector<Choices> rowsToTry(const Recipe &r, const Choices &choices) {
  if (!opensRows(r))
    return {choices};
  constexpr uint64_t most = 65536; // as the recipe's field
  const uint64_t share = r.global_batch_size() / ranksOf(r);
  std::vector<Choices> all;
  for (uint64_t rows = 1; rows <= std::min(share, most); ++rows)
    if (share % rows == 0 && share / rows <= most) {
      all.push_back(choices);
      all.back().rows = static_cast<int64_t>(rows);
      all.back().accumulationSteps = static_cast<int64_t>(share / rows);
    }
  return all;
}

rt::Expected<std::vector<Candidate>> ft::candidatesOf(const Inputs &inputs, const Choices &choices) {
  const Recipe &r = inputs.recipe.fields;
  std::vector<Candidate> all;
  rt::Status refusal;
  std::vector<Choices> places;
  for (const Choices &split : splitsToTry(inputs, choices))
    for (const Choices &transposes : transposesToTry(inputs, split))
      places.push_back(transposes);
  for (const Choices &place : places)
    for (const Choices &rows : rowsToTry(r, place)) {
      const rt::Expected<LayerCosts> costs = LayerCosts::measure(inputs, rows);
      if (!costs.ok()) {
        refusal = costs.status(); // rows that are too many leave fewer
        continue;
      }
      for (const RecomputePolicy &policy :
           opensPolicy(r) ? ladder(inputs.model.layers) : std::vector<RecomputePolicy>{rows.recompute}) {
        all.push_back({rows, costs->us(policy), costs->needs(policy)});
        all.back().choices.recompute = policy;
      }
    }
  if (all.empty())
    return refusal;
  llvm::stable_sort(all, [](const Candidate &a, const Candidate &b) { return a.us < b.us; });
  return all;
}

static const char *nameOf(Recompute policy) {
  switch (policy) {
  case Recompute::Nothing:
    return "keeping everything";
  case Recompute::Products:
    return "SELECTIVE";
  case Recompute::Blocks:
    return "FULL";
  default:
    return "NONE";
  }
}

std::string ft::policyText(const RecomputePolicy &policy, int64_t layers) {
  if (policy.earlyLayers == 0 || policy.early == policy.rest)
    return nameOf(policy.rest);
  if (policy.earlyLayers >= layers)
    return nameOf(policy.early);
  const std::string first = policy.earlyLayers == 1 ? "layer 0" : fmt::format("layers 0 to {}", policy.earlyLayers - 1);
  return fmt::format("{} as {}, the others as {}", first, nameOf(policy.early), nameOf(policy.rest));
}
