// What a plan needs and takes under each policy of making values again, without planning each.
#pragma once

#include "compiler/Pipeline/Choices.h"
#include "runtime/Plan/plan.pb.h"

#include <map>
#include <vector>

namespace ft {

/// Whether computation waits for values that the host holds, by prediction.
bool waitsForParked(const plan::Plan &plan);

/// Time and memory of one choice under any of some RecomputePolicies, counted layer by layer: layers are alike, so
/// plans of two shallow models under each uniform policy say what a layer adds, and one of each pair of policies what
/// the first layer, the last one and the border between both differ by.
class LayerCosts {
public:
  /// Plans the shallow models that `policies` need. Refuses what planning refuses.
  static rt::Expected<LayerCosts> measure(const Inputs &inputs, const Choices &choices,
                                          const std::vector<RecomputePolicy> &policies);

  /// Of a step, microseconds; where the host holds values and that is hidden, exactly those of a policy without.
  double us(const RecomputePolicy &policy) const;
  /// Bytes of device memory, as rt::Fit counts them.
  uint64_t needs(const RecomputePolicy &policy) const;
  /// Whether nothing waits for values on their way to the host and back; true where there are none.
  bool isHidden(const RecomputePolicy &policy) const;

private:
  /// A straight line over the number of layers.
  struct Line {
    int64_t from = 0; ///< layers
    double atFrom = 0, perLayer = 0;
    double at(int64_t layers) const { return atFrom + double(layers - from) * perLayer; }
  };
  struct Uniform {
    Line us, training;  ///< bytes of transient values where gradients are made
    bool waits = false; ///< for values that the host holds
  };
  using Key = std::pair<Recompute, Park>;
  /// What is made again from a block's input leaves nothing else to park.
  static Key keyOf(Recompute policy, Park park) {
    return {policy, policy == Recompute::Blocks && park == Park::Stream ? Park::Inputs : park};
  }

  rt::Status add(const Inputs &inputs, const Choices &choices, const Key &key);
  /// What lines are wrong by where the host updates: of a bucket that is as large as several layers it has all or
  /// nothing, and it works beside a forward pass.
  rt::Status addWhole(const Inputs &inputs, const Choices &choices, const RecomputePolicy &policy);
  rt::Status addBorder(const Inputs &inputs, const Choices &choices, const RecomputePolicy &policy);
  /// `policy` with what the host holds as far as it takes time.
  RecomputePolicy timed(const RecomputePolicy &policy) const;
  /// By the lines of both uniform policies, in a model of so many layers.
  double lineUs(const RecomputePolicy &policy, int64_t of) const;

  int64_t layers = 0;
  std::map<Key, Uniform> uniform;
  std::map<std::pair<Key, Recompute>, double> borders; ///< microseconds beside these lines; of `rest`, and of `early`
  Line elsewhere;                                      ///< bytes of all other arenas and outside
  double wholeUs = 0;                                  ///< that a plan of all layers takes longer than its line
  double other = 0; ///< bytes of transient values where none are made: evaluation, update
};

/// What one search has measured, which comes to the same choices again.
class MeasuredCosts {
public:
  /// `inputs` must outlive it.
  explicit MeasuredCosts(const Inputs &inputs) : inputs(inputs) {}

  /// LayerCosts::measure, once.
  rt::Expected<LayerCosts> of(const Choices &choices, const std::vector<RecomputePolicy> &policies);

private:
  struct Entry {
    Choices choices;
    std::vector<RecomputePolicy> policies;
    LayerCosts costs;
  };
  const Inputs &inputs;
  std::vector<Entry> entries;
};

} // namespace ft
