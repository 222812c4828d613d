// Learning rate over the steps of a run.
#pragma once

#include "runtime/Plan/plan.pb.h"
#include "runtime/Support/Status.h"

namespace ft::rt {

/// Hugging Face's get_{constant_with_warmup,linear,cosine}_schedule: warm-up from 0 over warmup_steps, or
/// ceil(warmup_ratio · steps) where that is 0; then constant, linear to 0, or half a cosine to 0 at `totalSteps`.
class Schedule {
public:
  /// Fails with BadInput on an unknown lr_scheduler_type.
  static Expected<Schedule> create(const plan::Run &run, uint64_t totalSteps);

  /// Learning rate of step t = 1, 2, …: the scheduler has been stepped t − 1 times, so the first step of a warm-up
  /// has rate 0, as in Hugging Face's trainer.
  double learningRate(uint64_t step) const;
  uint64_t warmupSteps() const { return warmup; }

private:
  enum class Kind { Constant, Linear, Cosine };
  Kind kind = Kind::Linear;
  double peak = 0;
  uint64_t warmup = 0, total = 0;
};

} // namespace ft::rt
