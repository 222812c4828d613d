#include "runtime/Training/Trainer.h"

#include "runtime/Metrics/MemoryUse.h"
#include "runtime/Plan/Kinds.h"
#include "runtime/Plan/Targets.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

using namespace ft;
using namespace ft::rt;

// The loss of a micro-batch is read while the device works on the next one.
Expected<std::optional<EvaluationMetrics>> ft::rt::evaluate(RankProgram &program, BatchFeed &feed, uint64_t step,
                                                            Lockstep &lockstep) {
  const auto start = std::chrono::steady_clock::now();
  EvaluationMetrics metrics;
  metrics.step = step;
  double sum = 0;
  std::optional<uint32_t> pending;
  auto finish = [&]() -> Status {
    if (!pending)
      return {};
    FT_RETURN_IF_ERROR(program.waitOutputs(*pending));
    sum += program.number(plan::Output::LOSS, *pending);
    return {};
  };
  feed.source().rewind();
  while (true) {
    FT_ASSIGN_OR_RETURN(const bool ended, lockstep.ends());
    if (ended)
      return std::optional<EvaluationMetrics>();
    FT_RETURN_IF_ERROR(program.beginRecord());
    const std::optional<BatchInfo> info = feed.next(program.staging());
    if (!info)
      break;
    BatchScalars scalars;
    scalars.microBatch = info->microBatch;
    scalars.writeTo(program.staging());
    FT_RETURN_IF_ERROR(program.submitRecord());
    FT_RETURN_IF_ERROR(program.run(plan::kindFor(program.plan(), plan::Segment::EVALUATE, info->mostTargets)));
    FT_ASSIGN_OR_RETURN(const uint32_t slot, program.endOutputs());
    FT_RETURN_IF_ERROR(finish());
    pending = slot;
    metrics.targetTokens += info->targets;
  }
  FT_RETURN_IF_ERROR(finish());
  metrics.loss = sum / static_cast<double>(std::max<uint64_t>(1, metrics.targetTokens));
  metrics.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return std::optional<EvaluationMetrics>(metrics);
}

static OffloadMetrics toMetrics(const HostTimes &times) {
  return {times.updates, times.toHost, times.toDevice, times.toHostBytes, times.toDeviceBytes, times.exposed};
}

static double meanOf(double sum, uint64_t steps) { return steps ? sum / static_cast<double>(steps) : 0; }

TrainingResult ft::rt::resultAt(const RunPosition &position) {
  TrainingResult result;
  result.steps = position.step, result.meanLoss = meanOf(position.lossSum, position.step);
  result.seconds = position.seconds;
  result.tokens = position.tokens, result.targetTokens = position.targetTokens;
  return result;
}

/// All memory is taken before the first step, and a GPU's driver takes its time and its locks to tell: once a second is
/// often enough.
uint64_t Trainer::memoryAt(Clock::time_point now) {
  if (program.device().hostAccessible())
    return residentBytes();
  if (memoryBytes == 0 || now - memoryMeasured >= std::chrono::seconds(1)) {
    memoryBytes = program.device().usedBytes();
    memoryMeasured = now;
  }
  return memoryBytes;
}

/// As this rank sees it.
bool Trainer::isLast(uint64_t step) const { return result.bad || isLastAnyway(step); }

/// As all ranks know it from the start.
bool Trainer::isLastAnyway(uint64_t step) const {
  return step >= options.totalSteps || (options.stopAfter && step >= options.stopAfter);
}

/// Whether somebody, on whichever rank, reads what is trained before the next step.
bool Trainer::readsStateAfter(uint64_t step) const {
  const uint64_t saves = program.plan().run().save_steps();
  return isLastAnyway(step) || (saves && step % saves == 0);
}

/// As all ranks see it: they leave the loop behind the same step.
Expected<bool> Trainer::endsAfter(uint64_t step) {
  const bool last = isLast(step);
  FT_ASSIGN_OR_RETURN(const bool ended, lockstep.ends(last));
  result.interrupted = ended && !last;
  return ended;
}

Expected<TrainingResult> Trainer::run() {
  const RunPosition &from = options.from;
  result = resultAt(from);
  lossSum = from.lossSum;
  evaluatedStep = from.evaluated ? from.step : 0;
  started = lastFinished = Clock::now();
  lastWaitedMs = program.waitedMs();
  FT_RETURN_IF_ERROR(program.mark(from.step));
  const bool immediate = program.runWaits();
  bool ended = isLast(from.step);
  if (from.step > 0 && !ended && evaluatesAfter(from.step) && !from.evaluated) {
    FT_RETURN_IF_ERROR(evaluateBetween(from.step));
    FT_ASSIGN_OR_RETURN(ended, endsAfter(from.step));
  }
  for (uint64_t step = from.step + 1; !ended; ++step) {
    if (verifies(step))
      FT_RETURN_IF_ERROR(beginVerified());
    FT_ASSIGN_OR_RETURN(Pending enqueued, enqueueStep(step));
    if (readsStateAfter(step))
      FT_RETURN_IF_ERROR(program.finish());
    if (!immediate)
      FT_RETURN_IF_ERROR(finishPending());
    pending = enqueued;
    if (verifies(step))
      FT_RETURN_IF_ERROR(endVerified());
    else if (immediate || savesAfter(step) || timesHost(step))
      FT_RETURN_IF_ERROR(finishPending());
    FT_ASSIGN_OR_RETURN(ended, endsAfter(step));
    if (evaluatesAfter(step) && !ended) {
      FT_RETURN_IF_ERROR(evaluateBetween(step));
      FT_ASSIGN_OR_RETURN(ended, endsAfter(step));
    }
    FT_RETURN_IF_ERROR(save());
  }
  FT_RETURN_IF_ERROR(program.finish());
  FT_RETURN_IF_ERROR(finishPending());
  FT_RETURN_IF_ERROR(program.device().synchronize());
  FT_RETURN_IF_ERROR(saveInterrupted());
  journal.finish();
  result.seconds += std::chrono::duration<double>(Clock::now() - started).count();
  result.meanLoss = meanOf(lossSum, result.steps);
  return result;
}

Expected<Trainer::Pending> Trainer::enqueueStep(uint64_t step) {
  Pending enqueued;
  enqueued.metrics.step = step;
  enqueued.metrics.totalSteps = options.totalSteps;
  enqueued.metrics.learningRate = schedule.learningRate(step);
  const uint64_t count = std::max<uint64_t>(1, program.plan().batch().gradient_accumulation_steps());
  for (uint64_t index = 0; index < count; ++index) {
    FT_RETURN_IF_ERROR(enqueueMicroBatch(enqueued, index, index + 1 == count));
    // The device has work again. A further record would wait for a slot, and the step before would be told that late.
    if (index == 0 && count > 1)
      FT_RETURN_IF_ERROR(finishPending());
  }
  FT_RETURN_IF_ERROR(program.mark(step));
  FT_ASSIGN_OR_RETURN(enqueued.slot, program.endOutputs());
  return enqueued;
}

/// Takes the next micro-batch, which is this one, and sends its record to the device.
Status Trainer::stage(uint64_t step, uint64_t index) {
  FT_RETURN_IF_ERROR(program.beginRecord());
  staged = data.next(program.staging());
  if (!staged || staged->stepTargets == 0)
    return badInput(fmt::format("step {}: its batches hold no target token; every label is −100", step));
  BatchScalars scalars;
  scalars.inverseTargets = 1.0 / static_cast<double>(staged->stepTargets);
  scalars.learningRate = schedule.learningRate(step);
  scalars.biasCorrection1 = 1.0 - std::pow(options.beta1, static_cast<double>(step));
  scalars.biasCorrection2 = 1.0 - std::pow(options.beta2, static_cast<double>(step));
  scalars.step = step;
  scalars.microBatch = index;
  scalars.firstPosition = staged->firstRow * program.plan().batch().sequence_len();
  scalars.writeTo(program.staging());
  if (options.verifier && options.verifier->recording())
    options.verifier->keep(
        plan::kindFor(program.plan(), plan::microBatchKind(program.plan(), index), staged->mostTargets));
  return program.submitRecord();
}

Status Trainer::enqueueMicroBatch(Pending &enqueued, uint64_t index, bool last) {
  StepMetrics &metrics = enqueued.metrics;
  if (!staged)
    FT_RETURN_IF_ERROR(stage(metrics.step, index));
  metrics.targetTokens = staged->stepTargets;
  metrics.tokens += staged->tokens;
  metrics.paddedTokens += staged->rows * program.plan().batch().sequence_len();
  const plan::Segment::Kind kind =
      plan::kindFor(program.plan(), plan::microBatchKind(program.plan(), index), staged->mostTargets);
  metrics.ofTargets += plan::wholeKindOf(kind) != kind;
  staged.reset();
  FT_RETURN_IF_ERROR(program.run(kind));
  if (last && metrics.step == options.from.step + 1 && options.beforeFirstUpdate) {
    FT_RETURN_IF_ERROR(program.device().synchronize());
    FT_RETURN_IF_ERROR(options.beforeFirstUpdate());
  }
  if (last)
    FT_RETURN_IF_ERROR(program.run(plan::Segment::UPDATE));
  // The next record travels while the device works on this one. An evaluation needs the records for itself.
  if (!last)
    return stage(metrics.step, index + 1);
  return leavesRecords(metrics.step) ? Status() : stage(metrics.step + 1, 0);
}

Status Trainer::finishPending() {
  if (!pending)
    return {};
  Pending finished = *pending;
  pending.reset();
  return finishStep(finished);
}

Status Trainer::finishStep(const Pending &finished) {
  FT_RETURN_IF_ERROR(program.waitOutputs(finished.slot));
  StepMetrics metrics = finished.metrics;
  const auto now = Clock::now();
  FT_ASSIGN_OR_RETURN(metrics.stepMs, program.stepMs(metrics.step));
  metrics.hostMs =
      std::chrono::duration<double, std::milli>(now - lastFinished).count() - program.waitedMs() + lastWaitedMs;
  lastFinished = now;
  lastWaitedMs = program.waitedMs();
  metrics.loss = program.number(plan::Output::LOSS, finished.slot);
  metrics.gradNorm = program.number(plan::Output::GRAD_NORM, finished.slot);
  if (const auto *scales =
          static_cast<const double *>(program.staging().output(plan::Output::LOSS_SCALES, finished.slot))) {
    metrics.lossScale = scales[plan::CURRENT_SCALE];
    metrics.skippedSteps = static_cast<uint64_t>(scales[plan::SKIPPED_STEPS]);
  }
  metrics.memoryBytes = memoryAt(now);
  const auto *status = static_cast<const int32_t *>(program.staging().output(plan::Output::STATUS, finished.slot));
  if (status && status[0] != 0 && !result.bad)
    result.bad = BadStep{static_cast<uint64_t>(status[1]), static_cast<uint64_t>(status[2]), status[3] == 2};
  if (!result.bad) {
    ++result.steps;
    lossSum += metrics.loss;
    result.tokens += metrics.tokens;
    result.targetTokens += metrics.targetTokens;
  }
  FT_ASSIGN_OR_RETURN(const std::optional<HostTimes> onHost, program.hostTimes(metrics.step));
  if (onHost) {
    metrics.offload = toMetrics(*onHost);
    result.offloading = metrics;
  }
  if (savesAfter(metrics.step) && !result.bad) {
    FT_ASSIGN_OR_RETURN(metrics.saveMs, capture());
  }
  journal.step(metrics);
  return {};
}

/// The state is kept where checkpoints wait: none may be on its way.
Status Trainer::beginVerified() {
  FT_RETURN_IF_ERROR(finishPending());
  if (options.saving)
    FT_RETURN_IF_ERROR(options.saving->settle());
  return options.verifier->begin();
}

/// The step is told as it was the first time; the next one's time starts behind the second.
Status Trainer::endVerified() {
  const uint64_t step = pending->metrics.step;
  FT_RETURN_IF_ERROR(options.verifier->end(step, pending->slot));
  FT_RETURN_IF_ERROR(finishPending());
  FT_RETURN_IF_ERROR(program.mark(step));
  lastFinished = Clock::now();
  lastWaitedMs = program.waitedMs();
  return {};
}

/// The state behind the step that finished last. The next step's time starts behind it.
Expected<double> Trainer::capture() {
  FT_ASSIGN_OR_RETURN(const double ms, options.saving->capture());
  captured = true;
  FT_RETURN_IF_ERROR(program.mark(result.steps));
  lastFinished = Clock::now();
  lastWaitedMs = program.waitedMs();
  return ms;
}

/// Starts to write what was captured, where it was: behind the evaluation, whose loss it holds.
Status Trainer::save() {
  if (!std::exchange(captured, false))
    return {};
  RunPosition position;
  position.step = result.steps;
  position.nextRow = options.from.nextRow + (result.steps - options.from.step) * options.rowsPerStep;
  position.evaluated = evaluatedStep == result.steps;
  position.lossSum = lossSum;
  position.seconds = result.seconds + std::chrono::duration<double>(Clock::now() - started).count();
  position.tokens = result.tokens, position.targetTokens = result.targetTokens;
  FT_RETURN_IF_ERROR(options.saving->write(position));
  FT_RETURN_IF_ERROR(program.mark(result.steps)); // others may have waited for it
  lastFinished = Clock::now();
  lastWaitedMs = program.waitedMs();
  return {};
}

/// A step at which somebody asked for an end is kept, whether or not it was its turn.
Status Trainer::saveInterrupted() {
  if (!options.saving || !result.interrupted || result.bad)
    return {};
  FT_ASSIGN_OR_RETURN(const bool due, options.saving->dueOnSignal(result.steps));
  if (!due)
    return {};
  FT_RETURN_IF_ERROR(capture().status());
  return save();
}

Status Trainer::evaluateBetween(uint64_t step) {
  FT_RETURN_IF_ERROR(finishPending());
  const auto start = Clock::now();
  FT_ASSIGN_OR_RETURN(const std::optional<EvaluationMetrics> metrics, evaluate(program, *evaluation, step, lockstep));
  if (metrics) {
    evaluatedStep = step;
    if (options.saving)
      options.saving->evaluated(*metrics, captured);
    journal.evaluation(*metrics);
  }
  FT_RETURN_IF_ERROR(program.mark(step)); // the next step's time starts here
  lastFinished = Clock::now();
  lastWaitedMs = program.waitedMs();
  result.seconds -= std::chrono::duration<double>(lastFinished - start).count(); // training alone
  return {};
}
