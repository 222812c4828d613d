#include "runtime/Training/Trainer.h"

#include "runtime/Metrics/MemoryUse.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

using namespace ft;
using namespace ft::rt;

// The loss of a micro-batch is read while the device works on the next one.
Expected<std::optional<EvaluationMetrics>> ft::rt::evaluate(RankProgram &plan, BatchFeed &feed, uint64_t step,
                                                            const Interrupts &interrupts) {
  const auto start = std::chrono::steady_clock::now();
  EvaluationMetrics metrics;
  metrics.step = step;
  double sum = 0;
  std::optional<uint32_t> pending;
  auto finish = [&]() -> Status {
    if (!pending)
      return {};
    FT_RETURN_IF_ERROR(plan.waitOutputs(*pending));
    sum += plan.number(plan::Output::LOSS, *pending);
    return {};
  };
  feed.source().rewind();
  while (true) {
    if (interrupts.requested())
      return std::optional<EvaluationMetrics>();
    FT_RETURN_IF_ERROR(plan.beginRecord());
    const std::optional<BatchInfo> info = feed.next(plan.staging());
    if (!info)
      break;
    BatchScalars scalars;
    scalars.microBatch = info->microBatch;
    scalars.writeTo(plan.staging());
    FT_RETURN_IF_ERROR(plan.submitRecord());
    FT_RETURN_IF_ERROR(plan.run(plan::Segment::EVALUATE));
    FT_ASSIGN_OR_RETURN(const uint32_t slot, plan.endOutputs());
    FT_RETURN_IF_ERROR(finish());
    pending = slot;
    metrics.targetTokens += info->targets;
  }
  FT_RETURN_IF_ERROR(finish());
  metrics.loss = sum / static_cast<double>(std::max<uint64_t>(1, metrics.targetTokens));
  metrics.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return std::optional<EvaluationMetrics>(metrics);
}

/// All memory is taken before the first step, and a GPU's driver takes its time and its locks to tell: once a second is
/// often enough.
uint64_t Trainer::memoryAt(Clock::time_point now) {
  if (plan.device().hostAccessible())
    return residentBytes();
  if (memoryBytes == 0 || now - memoryMeasured >= std::chrono::seconds(1)) {
    memoryBytes = plan.device().usedBytes();
    memoryMeasured = now;
  }
  return memoryBytes;
}

bool Trainer::stops(uint64_t step) const {
  return result.bad || result.interrupted || step >= options.totalSteps ||
         (options.stopAfter && step >= options.stopAfter);
}

Expected<TrainingResult> Trainer::run() {
  const auto start = Clock::now();
  lastFinished = start;
  lastWaitedMs = plan.waitedMs();
  FT_RETURN_IF_ERROR(plan.mark(0));
  const bool immediate = plan.runWaits();
  for (uint64_t step = 1; !stops(step - 1); ++step) {
    FT_ASSIGN_OR_RETURN(Pending enqueued, enqueueStep(step));
    if (!immediate)
      FT_RETURN_IF_ERROR(finishPending());
    pending = enqueued;
    if (immediate)
      FT_RETURN_IF_ERROR(finishPending());
    result.interrupted = interrupts.requested();
    if (evaluatesAfter(step) && !stops(step))
      FT_RETURN_IF_ERROR(evaluateBetween(step));
  }
  FT_RETURN_IF_ERROR(finishPending());
  FT_RETURN_IF_ERROR(plan.device().synchronize());
  console.finish();
  result.seconds += std::chrono::duration<double>(Clock::now() - start).count();
  result.meanLoss = result.steps ? lossSum / static_cast<double>(result.steps) : 0;
  return result;
}

Expected<Trainer::Pending> Trainer::enqueueStep(uint64_t step) {
  Pending enqueued;
  enqueued.metrics.step = step;
  enqueued.metrics.totalSteps = options.totalSteps;
  enqueued.metrics.learningRate = schedule.learningRate(step);
  const uint64_t count = std::max<uint64_t>(1, plan.plan().batch().gradient_accumulation_steps());
  for (uint64_t index = 0; index < count; ++index) {
    FT_RETURN_IF_ERROR(enqueueMicroBatch(enqueued, index, index + 1 == count));
    // The device has work again. A further record would wait for a slot, and the step before would be told that late.
    if (index == 0 && count > 1)
      FT_RETURN_IF_ERROR(finishPending());
  }
  FT_RETURN_IF_ERROR(plan.mark(step));
  FT_ASSIGN_OR_RETURN(enqueued.slot, plan.endOutputs());
  return enqueued;
}

/// Takes the next micro-batch, which is this one, and sends its record to the device.
Status Trainer::stage(uint64_t step, uint64_t index) {
  FT_RETURN_IF_ERROR(plan.beginRecord());
  staged = data.next(plan.staging());
  if (!staged || staged->stepTargets == 0)
    return badInput(fmt::format("step {}: its batches hold no target token; every label is −100", step));
  BatchScalars scalars;
  scalars.inverseTargets = 1.0 / static_cast<double>(staged->stepTargets);
  scalars.learningRate = schedule.learningRate(step);
  scalars.biasCorrection1 = 1.0 - std::pow(options.beta1, static_cast<double>(step));
  scalars.biasCorrection2 = 1.0 - std::pow(options.beta2, static_cast<double>(step));
  scalars.step = step;
  scalars.microBatch = index;
  scalars.firstPosition = staged->firstRow * plan.plan().batch().sequence_len();
  scalars.writeTo(plan.staging());
  return plan.submitRecord();
}

Status Trainer::enqueueMicroBatch(Pending &enqueued, uint64_t index, bool last) {
  StepMetrics &metrics = enqueued.metrics;
  if (!staged)
    FT_RETURN_IF_ERROR(stage(metrics.step, index));
  const plan::Batch &batch = plan.plan().batch();
  metrics.targetTokens = staged->stepTargets;
  metrics.tokens += staged->tokens;
  metrics.paddedTokens += batch.micro_batch_size() * batch.sequence_len();
  staged.reset();
  FT_RETURN_IF_ERROR(plan.run(index == 0 ? plan::Segment::ACCUMULATE_FIRST : plan::Segment::ACCUMULATE_NEXT));
  if (last && metrics.step == 1 && options.beforeFirstUpdate) {
    FT_RETURN_IF_ERROR(plan.device().synchronize());
    FT_RETURN_IF_ERROR(options.beforeFirstUpdate());
  }
  if (last)
    FT_RETURN_IF_ERROR(plan.run(plan::Segment::UPDATE));
  // The next record travels while the device works on this one. An evaluation needs the records for itself.
  if (!last)
    return stage(metrics.step, index + 1);
  return stops(metrics.step) || evaluatesAfter(metrics.step) ? Status() : stage(metrics.step + 1, 0);
}

Status Trainer::finishPending() {
  if (!pending)
    return {};
  Pending finished = *pending;
  pending.reset();
  return finishStep(finished);
}

Status Trainer::finishStep(const Pending &finished) {
  FT_RETURN_IF_ERROR(plan.waitOutputs(finished.slot));
  StepMetrics metrics = finished.metrics;
  const auto now = Clock::now();
  FT_ASSIGN_OR_RETURN(metrics.stepMs, plan.stepMs(metrics.step));
  metrics.hostMs =
      std::chrono::duration<double, std::milli>(now - lastFinished).count() - plan.waitedMs() + lastWaitedMs;
  lastFinished = now;
  lastWaitedMs = plan.waitedMs();
  metrics.loss = plan.number(plan::Output::LOSS, finished.slot);
  metrics.gradNorm = plan.number(plan::Output::GRAD_NORM, finished.slot);
  metrics.memoryBytes = memoryAt(now);
  const auto *status = static_cast<const int32_t *>(plan.staging().output(plan::Output::STATUS, finished.slot));
  if (status && status[0] != 0 && !result.bad)
    result.bad = BadStep{static_cast<uint64_t>(status[1]), static_cast<uint64_t>(status[2]), status[3] == 2};
  if (!result.bad) {
    ++result.steps;
    lossSum += metrics.loss;
    result.tokens += metrics.tokens;
    result.targetTokens += metrics.targetTokens;
  }
  console.step(metrics, options.loggingSteps);
  return lines.write(toJson(metrics));
}

Status Trainer::evaluateBetween(uint64_t step) {
  FT_RETURN_IF_ERROR(finishPending());
  const auto start = Clock::now();
  FT_ASSIGN_OR_RETURN(const std::optional<EvaluationMetrics> metrics, evaluate(plan, *evaluation, step, interrupts));
  if (metrics) {
    console.line(formatEvaluation(*metrics));
    FT_RETURN_IF_ERROR(lines.write(toJson(*metrics)));
  }
  result.interrupted = interrupts.requested();
  FT_RETURN_IF_ERROR(plan.mark(step)); // the next step's time starts here
  lastFinished = Clock::now();
  lastWaitedMs = plan.waitedMs();
  result.seconds -= std::chrono::duration<double>(lastFinished - start).count(); // training alone
  return {};
}
