#include "compiler/Pipeline/LayerCosts.h"

#include "compiler/Pipeline/Candidates.h"
#include "compiler/Pipeline/Pipeline.h"
#include "runtime/Plan/Kinds.h"
#include "runtime/Plan/Memory.h"
#include "runtime/Plan/Timeline.h"

#include <algorithm>
#include <utility>

using namespace ft;

namespace {
/// What the plan of a shallow model says.
struct Probe {
  double us = 0, training = 0, other = 0, elsewhere = 0;
  bool waits = false;
};
} // namespace

/// Makes gradients.
static bool trains(plan::Segment::Kind kind) { return plan::runsOnTokens(kind) && !plan::runsBetweenSteps(kind); }

bool ft::waitsForParked(const plan::Plan &plan) {
  constexpr double rounding = 1e-9; // of a sum of steps
  return rt::timelineOf(plan).parkedExposedUs > rounding * plan.stats().predicted_step_us();
}

static rt::Expected<Probe> probe(const Inputs &inputs, Choices choices, int64_t layers, const RecomputePolicy &policy) {
  Inputs shallow = inputs;
  shallow.model.layers = layers;
  shallow.model.perLayer.resize(layers, inputs.model.perLayer.back());
  choices.recompute = policy;
  FT_ASSIGN_OR_RETURN(const Compilation c, estimate(shallow, choices));
  Probe result;
  result.us = c.plan.stats().predicted_step_us();
  result.waits = waitsForParked(c.plan);
  for (const auto &[segment, bytes] : c.peak.segments) {
    double &most = trains(plan::segmentKind(segment)) ? result.training : result.other;
    most = std::max(most, double(bytes));
  }
  result.elsewhere = double(rt::fitOf(c.plan).needs()) - std::max(result.training, result.other);
  return result;
}

/// Layers of the smaller model. The last layer's values are not parked, and some of the others' are on their way.
static int64_t leastLayers(Park park) { return park == Park::Nothing ? 2 : 4; }

rt::Status LayerCosts::add(const Inputs &inputs, const Choices &choices, const Key &key) {
  const RecomputePolicy policy{key.first, key.first, 0, key.second};
  const int64_t from = leastLayers(policy.park);
  FT_ASSIGN_OR_RETURN(const Probe less, probe(inputs, choices, from, policy));
  FT_ASSIGN_OR_RETURN(const Probe more, probe(inputs, choices, from + 1, policy));
  uniform[key] = {{from, less.us, more.us - less.us},
                  {from, less.training, more.training - less.training},
                  less.waits || more.waits};
  elsewhere = {from, less.elsewhere, more.elsewhere - less.elsewhere};
  other = std::max(less.other, more.other);
  return {};
}

rt::Status LayerCosts::addBorder(const Inputs &inputs, const Choices &choices, const RecomputePolicy &policy) {
  RecomputePolicy mixed = timed(policy);
  const auto key = std::make_pair(keyOf(mixed.rest, mixed.park), mixed.early);
  if (!policy.earlyLayers || borders.count(key))
    return {};
  mixed.earlyLayers = 1;
  const int64_t from = leastLayers(mixed.park);
  FT_ASSIGN_OR_RETURN(const Probe probed, probe(inputs, choices, from, mixed));
  borders[key] = probed.us - lineUs(mixed, from);
  return {};
}

rt::Status LayerCosts::addWhole(const Inputs &inputs, const Choices &choices, const RecomputePolicy &policy) {
  FT_ASSIGN_OR_RETURN(const Probe whole, probe(inputs, choices, layers, policy));
  wholeUs = whole.us - us(policy);
  elsewhere = {layers, whole.elsewhere, 0};
  return {};
}

rt::Expected<LayerCosts> LayerCosts::measure(const Inputs &inputs, const Choices &choices,
                                             const std::vector<RecomputePolicy> &policies) {
  LayerCosts costs;
  costs.layers = inputs.model.layers;
  for (const RecomputePolicy &policy : policies)
    for (const Recompute of : {policy.rest, policy.early})
      for (const Park park : {Park::Nothing, policy.park})
        if (const Key key = keyOf(of, park); !costs.uniform.count(key))
          FT_RETURN_IF_ERROR(costs.add(inputs, choices, key));
  for (const RecomputePolicy &policy : policies)
    if (!opensPark(inputs) || costs.isHidden(policy)) // else it is no candidate
      FT_RETURN_IF_ERROR(costs.addBorder(inputs, choices, policy));
  if (choices.hostFraction > 0)
    FT_RETURN_IF_ERROR(costs.addWhole(inputs, choices, policies.front()));
  return costs;
}

bool LayerCosts::isHidden(const RecomputePolicy &policy) const {
  return !uniform.at(keyOf(policy.rest, policy.park)).waits && !uniform.at(keyOf(policy.early, policy.park)).waits;
}

RecomputePolicy LayerCosts::timed(const RecomputePolicy &policy) const {
  RecomputePolicy result = policy;
  result.park = isHidden(policy) ? Park::Nothing : policy.park;
  return result;
}

double LayerCosts::lineUs(const RecomputePolicy &policy, int64_t of) const {
  const Line &rest = uniform.at(keyOf(policy.rest, policy.park)).us,
             &early = uniform.at(keyOf(policy.early, policy.park)).us;
  return rest.at(of) + double(policy.earlyLayers) * (early.perLayer - rest.perLayer);
}

double LayerCosts::us(const RecomputePolicy &policy) const {
  const RecomputePolicy as = timed(policy);
  const double border = as.earlyLayers ? borders.at({keyOf(as.rest, as.park), as.early}) : 0;
  return lineUs(as, layers) + border + wholeUs;
}

/// Most is live where backward begins, or where it comes to the early layers, which may need more at once.
uint64_t LayerCosts::needs(const RecomputePolicy &policy) const {
  const Line &rest = uniform.at(keyOf(policy.rest, policy.park)).training,
             &early = uniform.at(keyOf(policy.early, policy.park)).training;
  const double behind = double(layers - policy.earlyLayers);
  const double begins = rest.at(layers) - double(policy.earlyLayers) * (rest.perLayer - early.perLayer);
  const double comes = policy.earlyLayers ? early.at(layers) - behind * early.perLayer : 0;
  return static_cast<uint64_t>(elsewhere.at(layers) + std::max({begins, comes, other}));
}

rt::Expected<LayerCosts> MeasuredCosts::of(const Choices &choices, const std::vector<RecomputePolicy> &policies) {
  Choices key = choices;
  key.recompute = {};                                                       // policies say it
  key.gradientsLeave &= key.hostFraction > 0 && key.accumulationSteps == 1; // else none do: layOut
  for (const Entry &entry : entries)
    if (entry.choices == key && entry.policies == policies)
      return entry.costs;
  FT_ASSIGN_OR_RETURN(LayerCosts costs, LayerCosts::measure(inputs, choices, policies));
  entries.push_back({std::move(key), policies, costs});
  return costs;
}
