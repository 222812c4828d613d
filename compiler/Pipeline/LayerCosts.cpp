#include "compiler/Pipeline/LayerCosts.h"

#include "compiler/Pipeline/Pipeline.h"
#include "runtime/Plan/Kinds.h"
#include "runtime/Plan/Memory.h"

#include <algorithm>

using namespace ft;

namespace {
/// What the plan of a shallow model says.
struct Probe {
  double us = 0, training = 0, other = 0, elsewhere = 0;
};
} // namespace

/// Makes gradients.
static bool trains(plan::Segment::Kind kind) { return plan::runsOnTokens(kind) && !plan::runsBetweenSteps(kind); }

static rt::Expected<Probe> probe(const Inputs &inputs, Choices choices, int64_t layers, Recompute policy) {
  Inputs shallow = inputs;
  shallow.model.layers = layers;
  shallow.model.perLayer.resize(layers, inputs.model.perLayer.back());
  choices.recompute = {policy, policy, 0};
  FT_ASSIGN_OR_RETURN(const Compilation c, planExactly(shallow, choices));
  Probe result;
  result.us = c.plan.stats().predicted_step_us();
  for (const auto &[segment, bytes] : c.peak.segments) {
    double &most = trains(plan::segmentKind(segment)) ? result.training : result.other;
    most = std::max(most, double(bytes));
  }
  result.elsewhere = double(rt::fitOf(c.plan).needs()) - std::max(result.training, result.other);
  return result;
}

rt::Expected<LayerCosts> LayerCosts::measure(const Inputs &inputs, const Choices &choices) {
  LayerCosts costs;
  costs.layers = inputs.model.layers;
  for (const Recompute policy : {Recompute::Nothing, Recompute::Rows, Recompute::Products, Recompute::Blocks}) {
    FT_ASSIGN_OR_RETURN(const Probe two, probe(inputs, choices, 2, policy));
    FT_ASSIGN_OR_RETURN(const Probe three, probe(inputs, choices, 3, policy));
    costs.uniform[policy] = {{two.us, three.us - two.us}, {two.training, three.training - two.training}};
    costs.elsewhere = {two.elsewhere, three.elsewhere - two.elsewhere};
    costs.other = std::max(two.other, three.other);
  }
  return costs;
}

double LayerCosts::us(const RecomputePolicy &policy) const {
  const Uniform &rest = uniform.at(policy.rest), &early = uniform.at(policy.early);
  return rest.us.at(layers) + double(policy.earlyLayers) * (early.us.perLayer - rest.us.perLayer);
}

/// Most is live where backward begins, or where it comes to the early layers, which may need more at once.
uint64_t LayerCosts::needs(const RecomputePolicy &policy) const {
  const Line &rest = uniform.at(policy.rest).training, &early = uniform.at(policy.early).training;
  const double behind = double(layers - policy.earlyLayers);
  const double begins = rest.at(layers) - double(policy.earlyLayers) * (rest.perLayer - early.perLayer);
  const double comes = policy.earlyLayers ? early.at(layers) - behind * early.perLayer : 0;
  return static_cast<uint64_t>(elsewhere.at(layers) + std::max({begins, comes, other}));
}
