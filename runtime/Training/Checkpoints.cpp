#include "runtime/Training/Checkpoints.h"

#include <fmt/format.h>

#include <chrono>

using namespace ft;
using namespace ft::rt;

Checkpoints::Checkpoints(RankProgram &program, Journal &journal, std::string folderPath, OfTheRun ofTheRun,
                         Files &files)
    : plan(program.plan()), run(plan.run()), journal(journal), folder(std::move(folderPath)),
      snapshot(plan, program.arenas(), program.device()), writer(files, folder) {
  next.seed = ofTheRun.seed;
  next.facts = std::move(ofTheRun.facts);
  next.products = std::move(ofTheRun.products);
}

bool Checkpoints::dueAfter(uint64_t step, bool last) const {
  return run.save_steps() > 0 && (last || step % run.save_steps() == 0) && step != startedStep;
}

void Checkpoints::setBefore(const std::optional<EvaluationMetrics> &evaluation, const std::string &answer) {
  next.before = evaluation;
  next.answerBefore = answer;
}

void Checkpoints::continueFrom(const CheckpointState &state, bool inPlace) {
  if (inPlace)
    startedStep = newestStep = state.position.step;
  next.before = state.before;
  next.answerBefore = state.answerBefore;
  if (inPlace)
    next.best = state.best;
}

Expected<double> Checkpoints::capture() {
  const auto start = std::chrono::steady_clock::now();
  tell(writer.wait());
  FT_RETURN_IF_ERROR(snapshot.capture());
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

void Checkpoints::evaluated(const EvaluationMetrics &metrics) {
  if (!next.best || lost.contains(next.best->step) || metrics.loss < next.best->loss)
    next.best = BestStep{metrics.step, metrics.loss};
}

void Checkpoints::write(const RunPosition &position) {
  next.position = position;
  startedStep = position.step;
  std::optional<uint64_t> keep;
  if (run.load_best_model_at_end() && next.best)
    keep = next.best->step;
  auto read = [this](uint32_t buffer, uint64_t offset, std::span<std::byte> out) {
    return snapshot.read(buffer, offset, out);
  };
  writer.start(plan, read, next, run.save_total_limit(), keep);
}

void Checkpoints::finish() { tell(writer.wait()); }

std::optional<BestStep> Checkpoints::best() const {
  return next.best && !lost.contains(next.best->step) ? next.best : std::nullopt;
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
