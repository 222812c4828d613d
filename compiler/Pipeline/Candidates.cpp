#include "compiler/Pipeline/Candidates.h"

#include "compiler/Pipeline/LayerCosts.h"

#include "llvm/ADT/STLExtras.h"

#include <fmt/format.h>

using namespace ft;
using recipe::Recipe;

static bool opensPolicy(const Recipe &r) { return r.gradient_checkpointing() == recipe::GradientCheckpointing::AUTO; }
static bool opensRows(const Recipe &r) { return r.micro_batch_size() == recipe::MicroBatchSize::AUTO; }

bool ft::opensPark(const Inputs &inputs) {
  return inputs.recipe.fields.activation_offload() == recipe::ActivationOffload::AUTO && !inputs.park;
}

bool ft::isOpen(const Inputs &inputs) {
  return opensPolicy(inputs.recipe.fields) || opensPark(inputs) || opensRows(inputs.recipe.fields);
}

/// From nothing made again to all of it, each a layer further than the one before: bytes get dearer on the way. What
/// takes the host's memory makes norms and SwiGLU again at least.
static std::vector<RecomputePolicy> ladder(int64_t layers, Park park) {
  constexpr Recompute all[] = {Recompute::Nothing, Recompute::Rows, Recompute::Products, Recompute::Blocks};
  const llvm::ArrayRef<Recompute> steps = llvm::ArrayRef(all).drop_front(park == Park::Nothing ? 0 : 1);
  std::vector<RecomputePolicy> policies{{steps[0], steps[0], 0, park}};
  for (size_t i = 1; i < steps.size(); ++i) {
    for (int64_t early = 1; early < layers; ++early)
      policies.push_back({steps[i - 1], steps[i], early, park});
    policies.push_back({steps[i], steps[i], 0, park});
  }
  return policies;
}

/// What the recipe leaves open of `policy`, what the host holds growing: of candidates that take the same time the one
/// with the least there comes first.
static std::vector<RecomputePolicy> policiesToTry(const Inputs &inputs, const RecomputePolicy &policy) {
  const Recipe &r = inputs.recipe.fields;
  const std::vector<Park> parks =
      opensPark(inputs) ? std::vector<Park>{Park::Nothing, Park::Inputs, Park::Stream} : std::vector<Park>{policy.park};
  std::vector<RecomputePolicy> all;
  for (const Park park : parks) {
    std::vector<RecomputePolicy> of = ladder(inputs.model.layers, park);
    if (!opensPolicy(r)) {
      of.assign(1, policy);
      of.front().park = park;
    }
    all.insert(all.end(), of.begin(), of.end());
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

bool ft::surelyTooMuch(const Inputs &inputs, const Choices &choices, uint64_t needs) {
  constexpr int64_t leastLayers = 16; // of which twenty can be that wrong
  constexpr double sure = 0.95;
  const bool counts = choices.hostFraction == 0 || choices.hostFraction == 1;
  const uint64_t has = memoryOf(inputs);
  return has && counts && inputs.model.layers >= leastLayers && sure * double(needs) > double(has);
}

bool ft::isHopeless(const Inputs &inputs, const Choices &choices, MeasuredCosts &measured) {
  if (!surelyTooMuch(inputs, choices, UINT64_MAX))
    return false;
  const rt::Expected<LayerCosts> costs = measured.of(choices, {choices.recompute});
  return costs.ok() && surelyTooMuch(inputs, choices, costs->needs(choices.recompute));
}

/// Of each way to park, what backward makes again the most of.
static std::vector<RecomputePolicy> leastPolicies(const Inputs &inputs, const RecomputePolicy &policy) {
  std::vector<RecomputePolicy> all = policiesToTry(inputs, policy);
  if (opensPolicy(inputs.recipe.fields))
    llvm::erase_if(all, [](const RecomputePolicy &of) { return of.early != Recompute::Blocks || of.earlyLayers; });
  return all;
}

std::vector<Choices> ft::leastOf(const Inputs &inputs, const Choices &choices) {
  const Choices split = splitsToTry(inputs, choices).back(), place = transposesToTry(inputs, split).back();
  std::vector<Choices> rows = rowsToTry(inputs.recipe.fields, place), all;
  if (place.gradientsLeave && place.hostFraction > 0 && rows.size() > 1)
    rows = {rows.front(), rows.back()}; // of one micro-batch gradients need not stay
  else
    rows.resize(1);
  for (const Choices &of : rows)
    for (const RecomputePolicy &policy : leastPolicies(inputs, of.recompute)) {
      all.push_back(of);
      all.back().recompute = policy;
    }
  return all;
}

/// Whether no candidate with these rows fits, with all that there is on the host.
static bool neverFits(const Inputs &inputs, Choices rows, MeasuredCosts &measured) {
  rows.hostFraction = rows.hostFraction > 0 ? 1 : 0;
  return llvm::all_of(leastPolicies(inputs, rows.recompute), [&](const RecomputePolicy &policy) {
    rows.recompute = policy;
    return isHopeless(inputs, rows, measured);
  });
}

rt::Expected<std::vector<Candidate>> ft::candidatesOf(const Inputs &inputs, const Choices &choices,
                                                      MeasuredCosts &measured) {
  const Recipe &r = inputs.recipe.fields;
  std::vector<Candidate> all;
  rt::Status refusal;
  std::vector<Choices> places;
  for (const Choices &split : splitsToTry(inputs, choices))
    for (const Choices &transposes : transposesToTry(inputs, split))
      places.push_back(transposes);
  for (const Choices &place : places)
    for (const Choices &rows : rowsToTry(r, place)) {
      std::vector<RecomputePolicy> policies = policiesToTry(inputs, rows.recompute);
      if (policies.size() + (rows.hostFraction > 0) > 1 && neverFits(inputs, rows, measured)) {
        if (rows.hostFraction > 0 && !all.empty())
          continue;
        policies.resize(1); // what others are beside
      }
      const rt::Expected<LayerCosts> costs = measured.of(rows, policies);
      if (!costs.ok()) {
        refusal = costs.status(); // rows that are too many leave fewer
        continue;
      }
      for (const RecomputePolicy &policy : policies) {
        if (opensPark(inputs) && !costs->isHidden(policy))
          continue;
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

const char *ft::parkText(Park park) {
  switch (park) {
  case Park::Inputs:
    return "inputs of blocks";
  case Park::Stream:
    return "inputs of blocks, attention's outputs and the sums behind them";
  default:
    return "nothing";
  }
}
