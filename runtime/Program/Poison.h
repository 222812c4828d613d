// Which bytes `ftrun --poison` overwrites with NaN around each step.
#pragma once

#include "runtime/Program/Arenas.h"

namespace ft::rt {

/// For each step of a segment the regions that hold nothing then: `before` the step, what it writes without reading,
/// and `after` it, values that no later step reads and no step has overwritten. A plan that declares its reads truly
/// computes the same bits with every such byte set to 0xFF (NaN in every floating type, −1 in integers). Only buffers
/// that hold transient values count: activations and workspaces.
struct PoisonSchedule {
  struct Around {
    std::vector<Region> before, after;
  };
  std::vector<Around> steps;
  static constexpr uint8_t value = 0xFF;
};

/// `segment` is an index into Plan.segments.
Expected<PoisonSchedule> makePoisonSchedule(const plan::Plan &plan, int segment, const Arenas &arenas);

} // namespace ft::rt
