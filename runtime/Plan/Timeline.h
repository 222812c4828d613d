// When the steps of a plan would run, if each took the time that the compiler predicts for it.
#pragma once

#include "runtime/Plan/plan.pb.h"

namespace ft::rt {

/// Of one step of training. Nothing runs beside another step but on another stream.
struct Timeline {
  double us = 0;               ///< from the first micro-batch to the end of the update
  double exchangeUs = 0;       ///< of collectives
  double exposedUs = 0;        ///< of these, while no other stream works
  uint64_t exchangedBytes = 0; ///< that collectives reduce or gather, on each rank
};

/// Of a plan that passes checkPlan. Steps on a stream follow each other, and wait for the events that they name.
Timeline timelineOf(const plan::Plan &plan);

} // namespace ft::rt
