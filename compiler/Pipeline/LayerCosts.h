// What a plan needs and takes under each policy of making values again, without planning each.
#pragma once

#include "compiler/Pipeline/Choices.h"

#include <map>

namespace ft {

/// Time and memory of one choice under any RecomputePolicy, counted layer by layer: layers are alike, so plans of two
/// and of three layers under each uniform policy say what a layer adds.
class LayerCosts {
public:
  /// Plans the shallow models. Refuses what planning refuses.
  static rt::Expected<LayerCosts> measure(const Inputs &inputs, const Choices &choices);

  /// Of a step, microseconds.
  double us(const RecomputePolicy &policy) const;
  /// Bytes of device memory, as rt::Fit counts them.
  uint64_t needs(const RecomputePolicy &policy) const;

private:
  /// A straight line over the number of layers.
  struct Line {
    double atTwo = 0, perLayer = 0;
    double at(int64_t layers) const { return atTwo + double(layers - 2) * perLayer; }
  };
  struct Uniform {
    Line us, training; ///< bytes of transient values where gradients are made
  };

  int64_t layers = 0;
  std::map<Recompute, Uniform> uniform;
  Line elsewhere;   ///< bytes of all other arenas and outside
  double other = 0; ///< bytes of transient values where none are made: evaluation, update
};

} // namespace ft
