#include "runtime/Training/Checkpoints.h"

#include <fmt/format.h>

#include <chrono>

using namespace ft;
using namespace ft::rt;

Checkpoints::Checkpoints(RankProgram &program, SavingRank rank, Journal &journal, std::string folderPath,
                         OfTheRun ofTheRun, Files &files)
    : StepSaving(program, rank), journal(journal), folder(std::move(folderPath)),
      lateFacts(std::move(ofTheRun.lateFacts)), writer(files, folder) {
  next.seed = ofTheRun.seed;
  next.facts = std::move(ofTheRun.facts);
  next.products = std::move(ofTheRun.products);
}

void Checkpoints::setBefore(const std::optional<EvaluationMetrics> &evaluation, const std::string &answer) {
  next.before = evaluation;
  next.answerBefore = answer;
}

void Checkpoints::continueFrom(const CheckpointState &state, const std::string &elsewhere) {
  if (elsewhere.empty())
    startedStep = newestStep = state.position.step;
  resumedStep = state.position.step, resumedPath = elsewhere;
  next.before = state.before;
  next.answerBefore = state.answerBefore;
  next.best = state.best;
}

void Checkpoints::evaluated(const EvaluationMetrics &metrics, bool captured) {
  const bool resumed = metrics.step == resumedStep;
  if (!captured && newestStep != metrics.step && !resumed)
    return;
  if (next.best && lost.contains(next.best->step) && (!missed || next.best->loss < missed->loss))
    missed = next.best;
  if (!next.best || lost.contains(next.best->step) || metrics.loss < next.best->loss)
    next.best = BestStep{metrics.step, metrics.loss, resumed ? resumedPath : ""};
}

Status Checkpoints::write(const RunPosition &position) {
  next.position = position;
  startedStep = position.step;
  std::optional<uint64_t> keep;
  if (run.load_best_model_at_end() && next.best)
    keep = next.best->step;
  CheckpointWriter::Order order{plan, {}, next, run.save_total_limit(), keep, lateFacts};
  if (shared && !self.here)
    return collectAndWrite(std::move(order));
  if (shared)
    order.read = self.here->reader(plan);
  else
    order.read = [this](uint32_t buffer, uint64_t offset, std::span<std::byte> out) {
      return snapshot.read(buffer, offset, out);
    };
  writer.start(std::move(order));
  return {};
}

/// What the other ranks have comes over their connections, which the training's thread alone may use.
Status Checkpoints::collectAndWrite(CheckpointWriter::Order order) {
  const auto start = std::chrono::steady_clock::now();
  order.read = askingReader(plan, snapshot, *self.host);
  writer.writeNow(order);
  FT_RETURN_IF_ERROR(endAsking(*self.host));
  finish();
  journal.line(
      fmt::format("{} was collected from all ranks, which waited {:.1f} ms", checkpointName(order.state.position.step),
                  std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count()));
  return {};
}

std::optional<BestStep> Checkpoints::best() const {
  return next.best && !lost.contains(next.best->step) ? next.best : std::nullopt;
}

std::optional<BestStep> Checkpoints::lostBest() const {
  std::optional<BestStep> least = missed;
  if (next.best && lost.contains(next.best->step) && (!least || next.best->loss < least->loss))
    least = next.best;
  const std::optional<BestStep> kept = best();
  return least && kept && kept->loss <= least->loss ? std::nullopt : least;
}

void Checkpoints::tell(const std::optional<CheckpointWriter::Outcome> &outcome) {
  if (!outcome)
    return;
  if (outcome->written.ok()) {
    newestStep = outcome->step;
    if (!outcome->removed.ok())
      journal.line(fmt::format("note: an older checkpoint stays: {}", outcome->removed.message()));
    return;
  }
  ++failureCount;
  lost.insert(outcome->step);
  journal.line(fmt::format("note: the checkpoint of step {} could not be written: {}; the newest in {} is {}; training "
                           "goes on",
                           outcome->step, outcome->written.message(), folder,
                           newestStep ? checkpointName(newestStep) : "none"));
}
