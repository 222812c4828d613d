// When the steps of a plan would run, if each took the time that the compiler predicts for it.
#pragma once

#include "runtime/Plan/plan.pb.h"

#include <map>

namespace ft::rt {

/// Collectives of a step.
struct Exchanges {
  uint64_t number = 0;
  uint64_t bytes = 0;   ///< that they reduce or gather, on each rank
  double us = 0;        ///< of all
  double exposedUs = 0; ///< while no other stream works
  double takenUs = 0;   ///< that the work beside them takes longer for it (Target.reduction_takes)

  double lostUs() const { return exposedUs + takenUs; }
};

/// Of one step of training. Nothing runs beside another step but on another stream.
struct Timeline {
  double us = 0; ///< from the first micro-batch to the end of the update
  std::map<plan::Collective::Kind, Exchanges> exchanges;
  double hostUs = 0;          ///< of kernels on the host
  double hostExposedUs = 0;   ///< of segments with such, while the device computes nothing
  double parkedUs = 0;        ///< of transfers between device and host beside computation, in all other segments
  double parkedExposedUs = 0; ///< while nothing of these computes or exchanges

  Exchanges allExchanges() const;
};

/// Of a plan that passes checkPlan. Steps on a stream follow each other, and wait for the events that they name; what
/// exchanges take of the work beside them comes on top.
Timeline timelineOf(const plan::Plan &plan);
/// The same of a step whose micro-batches have few targets, where the plan has segments for these.
Timeline timelineOfTargets(const plan::Plan &plan);
/// How often the segment runs in such a step.
uint64_t runsPerTargetsStep(const plan::Plan &plan, plan::Segment::Kind kind);

} // namespace ft::rt
