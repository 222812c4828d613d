// Which of a library's ways to compute each product is the fastest here: `ftrun --tune`.
#pragma once

#include "runtime/Program/Arenas.h"

#include <functional>
#include <vector>

namespace ft::rt {

/// How long is measured. A way's first look tells whether it may be the best; a card that is at the limit of its power
/// tells two good ones apart only under load, hence the long looks in turn.
struct TuneEffort {
  double briefMs = 4, longMs = 60;
  uint32_t rounds = 3;
  uint32_t finalists = 5;
};

/// What was measured of one product.
struct TunedProduct {
  uint32_t handle = 0;
  uint64_t uses = 0; ///< steps of the plan that compute it
  uint32_t ways = 1, taken = 0;
  double firstMs = 0, ms = 0; ///< of one use, in the way that was the present one and in the one that is taken
};

/// Prepares every product of a plan, measures each way in which the device's library computes it where the plan has its
/// operands, on numbers that are as random as weights are, and takes the fastest. Two events and stream 0 are used.
/// What lies in the arenas is overwritten. A product that takes less than a thousandth of all is looked at briefly.
/// `atWork` hears how much of it is done, in [0, 1].
Expected<std::vector<TunedProduct>> tuneProducts(const plan::Plan &plan, const Arenas &arenas, Device &device,
                                                 const std::function<void(double done)> &atWork,
                                                 const TuneEffort &effort = {});

} // namespace ft::rt
