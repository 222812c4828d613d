// The training loop.
#pragma once

#include "runtime/Metrics/Console.h"
#include "runtime/Training/BatchFeed.h"
#include "runtime/Training/Interrupts.h"
#include "runtime/Training/Schedule.h"

namespace ft::rt {

/// Where a loss or a gradient norm was not finite first. The device refuses every update from that step on.
struct BadStep {
  uint64_t step = 0, microBatch = 0;
  bool gradNorm = false; ///< else the loss
};

struct TrainingResult {
  uint64_t steps = 0;  ///< finished
  double meanLoss = 0; ///< over the finished steps
  double seconds = 0;  ///< of training alone
  uint64_t tokens = 0, targetTokens = 0;
  bool interrupted = false;
  std::optional<BadStep> bad;
};

struct TrainerOptions {
  uint64_t totalSteps = 0; ///< the schedule's horizon
  uint64_t stopAfter = 0;  ///< 0: at the horizon
  uint64_t evalSteps = 0, loggingSteps = 1;
  double beta1 = 0, beta2 = 0;
  /// Runs once, after the first step's last accumulation and before its update.
  std::function<Status()> beforeFirstUpdate;
};

/// Evaluates a whole split: the token-weighted mean. Nothing where an interrupt ended it early.
Expected<std::optional<EvaluationMetrics>> evaluate(RankProgram &plan, BatchFeed &feed, uint64_t step,
                                                    const Interrupts &interrupts);

/// Drives accumulate_first · accumulate_next* · update. On an asynchronous device the metrics of a step are read while
/// the next one runs.
class Trainer {
public:
  Trainer(RankProgram &plan, BatchFeed &data, BatchFeed *evaluation, Schedule schedule, TrainerOptions options,
          Console &console, JsonLines &lines, const Interrupts &interrupts)
      : plan(plan), data(data), evaluation(evaluation), schedule(schedule), options(std::move(options)),
        console(console), lines(lines), interrupts(interrupts) {}

  /// Errors: Failed for what the device or the disk refuses. Numbers that are not finite are a result, not an error.
  Expected<TrainingResult> run();

private:
  using Clock = std::chrono::steady_clock;
  struct Pending {
    StepMetrics metrics;
    uint32_t slot = 0;
  };
  Expected<Pending> enqueueStep(uint64_t step);
  Status enqueueMicroBatch(Pending &pending, uint64_t index, bool last);
  Status stage(uint64_t step, uint64_t index);
  Status finishStep(const Pending &pending);
  Status finishPending();
  Status evaluateBetween(uint64_t step);
  uint64_t memoryAt(Clock::time_point now);
  bool evaluatesAfter(uint64_t step) const { return evaluation && options.evalSteps && step % options.evalSteps == 0; }
  bool stops(uint64_t step) const;

  RankProgram &plan;
  BatchFeed &data;
  BatchFeed *evaluation;
  const Schedule schedule;
  const TrainerOptions options;
  Console &console;
  JsonLines &lines;
  const Interrupts &interrupts;

  TrainingResult result;
  std::optional<Pending> pending;
  std::optional<BatchInfo> staged; ///< the micro-batch to run next, where its record is on its way already
  Clock::time_point lastFinished, memoryMeasured;
  double lastWaitedMs = 0;
  uint64_t memoryBytes = 0;
  double lossSum = 0;
};

} // namespace ft::rt
