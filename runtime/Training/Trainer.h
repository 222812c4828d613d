// The training loop.
#pragma once

#include "runtime/Training/BatchFeed.h"
#include "runtime/Training/Journal.h"
#include "runtime/Training/Lockstep.h"
#include "runtime/Training/Schedule.h"
#include "runtime/Training/StepSaving.h"
#include "runtime/Training/StepVerifier.h"

#include <bit>

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
  bool interrupted = false;              ///< before its last step
  std::optional<StepMetrics> offloading; ///< the last step whose work on the host was measured
  std::optional<BadStep> bad;
};

/// Of a run that stands there and has trained no further.
TrainingResult resultAt(const RunPosition &position);

struct TrainerOptions {
  uint64_t totalSteps = 0; ///< the schedule's horizon
  uint64_t stopAfter = 0;  ///< 0: at the horizon
  uint64_t evalSteps = 0;
  double beta1 = 0, beta2 = 0;
  RunPosition from;                 ///< of the checkpoint that the run continues from, loaded already
  uint64_t rowsPerStep = 0;         ///< of all ranks
  StepSaving *saving = nullptr;     ///< null: the rank has no part in checkpoints
  StepVerifier *verifier = nullptr; ///< null: no step is run twice
  /// Runs once, after the first step's last accumulation and before its update.
  std::function<Status()> beforeFirstUpdate;
};

/// Evaluates a whole split: the token-weighted mean. Nothing where the ranks agreed to end it early.
Expected<std::optional<EvaluationMetrics>> evaluate(RankProgram &program, BatchFeed &feed, uint64_t step,
                                                    Lockstep &lockstep);

/// Drives accumulate_first · accumulate_next* · update. On an asynchronous device the metrics of a step are read while
/// the next one runs.
class Trainer {
public:
  Trainer(RankProgram &program, BatchFeed &data, BatchFeed *evaluation, Schedule schedule, TrainerOptions options,
          Journal &journal, Lockstep &lockstep)
      : program(program), data(data), evaluation(evaluation), schedule(schedule), options(std::move(options)),
        journal(journal), lockstep(lockstep) {}

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
  Status beginVerified();
  Status endVerified();
  Expected<double> capture();
  Status save();
  Status saveInterrupted();
  Status finishPending();
  Status evaluateBetween(uint64_t step);
  uint64_t memoryAt(Clock::time_point now);
  bool evaluatesAfter(uint64_t step) const { return evaluation && options.evalSteps && step % options.evalSteps == 0; }
  bool isLast(uint64_t step) const;
  bool isLastAnyway(uint64_t step) const;
  bool readsStateAfter(uint64_t step) const;
  bool savesAfter(uint64_t step) const { return options.saving && options.saving->dueAfter(step, isLast(step)); }
  /// Whether the step is waited for so that its work on the host can be told. The next one starts later for it, so
  /// these become rare; the first has no update to finish.
  bool timesHost(uint64_t step) const {
    const uint64_t ran = step - options.from.step;
    return program.timesHost() && ran > 1 && std::has_single_bit(ran);
  }
  bool verifies(uint64_t step) const { return options.verifier && options.verifier->verifies(step); }
  /// Whether the records are needed for something else between this step and the next.
  bool leavesRecords(uint64_t step) const {
    return isLast(step) || evaluatesAfter(step) || verifies(step) || verifies(step + 1);
  }
  Expected<bool> endsAfter(uint64_t step);

  RankProgram &program;
  BatchFeed &data;
  BatchFeed *evaluation;
  const Schedule schedule;
  const TrainerOptions options;
  Journal &journal;
  Lockstep &lockstep;

  TrainingResult result;
  std::optional<Pending> pending;
  std::optional<BatchInfo> staged; ///< the micro-batch to run next, where its record is on its way already
  Clock::time_point started, lastFinished, memoryMeasured;
  double lastWaitedMs = 0;
  uint64_t memoryBytes = 0;
  double lossSum = 0;
  uint64_t evaluatedStep = 0; ///< the last that an evaluation followed
  bool captured = false;      ///< the step that finished last waits to be written
};

} // namespace ft::rt
