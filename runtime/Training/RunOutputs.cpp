#include "runtime/Training/RunOutputs.h"

#include "runtime/Support/AtomicFile.h"
#include "runtime/Support/Strings.h"
#include "runtime/Training/Resume.h"
#include "runtime/Training/RunFacts.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

using namespace ft;
using namespace ft::rt;

namespace {
/// Whether both name one place that is there.
bool same(const std::string &a, const std::string &b) {
  std::error_code none;
  return !a.empty() && !b.empty() && std::filesystem::equivalent(a, b, none);
}

/// --overwrite must not remove what the run reads.
Status keepApart(const RunInputs &inputs, const std::string &out) {
  if (inputs.options.overwrite && inputs.continuesInPlace())
    return badInput(fmt::format("--out {}: holds what --resume reads, and --overwrite would remove it; name another "
                                "folder, or leave --overwrite out",
                                out));
  for (const auto &[option, source] : {std::pair("--model", inputs.options.model),
                                       {"--adapter", inputs.options.adapter},
                                       {"--algorithms", inputs.options.algorithms}}) {
    bool reads = same(out, source);
    for (const std::string &name : OutputFolder::replaced(out, inputs.plan()))
      reads |= same(out + "/" + name, source);
    for (const uint64_t step : completeCheckpoints(out))
      reads |= same(out + "/" + checkpointName(step), source);
    if (reads)
      return badInput(fmt::format("--out {}: holds what {} reads; name another folder", out, option));
  }
  return {};
}

Status openGradientsFolder(const std::string &path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error)
    return badInput(fmt::format("--dump-gradients {}: cannot be created: {}", path, error.message()));
  return {};
}
} // namespace

Status RunOutputs::check(RankProgram &program) {
  arenas.add(program);
  const std::string path = inputs.outputFolder();
  FT_RETURN_IF_ERROR(keepApart(inputs, path));
  FT_RETURN_IF_ERROR(
      inputs.continuesInPlace()
          ? OutputFolder::checkReopen(path, inputs.plan(), inputs.resume->state().position.step, inputs.damaged)
          : OutputFolder::check(path, inputs.plan(), inputs.options.overwrite));
  journal.line(banner(inputs, program.device().info()));
  tellAlgorithms(program.device());
  if (const uint64_t more = program.arenas().outsideBytes() - inputs.plan().target().outside_arenas(); more > 0)
    journal.line(
        fmt::format("note: ranks run through NCCL, which takes {} of the GPU outside the arenas that the table "
                    "does not count; there is room",
                    formatBytes(more)));
  return {};
}

Status RunOutputs::open(RankProgram &program, SavingRank rank) {
  const std::string path = inputs.outputFolder();
  if (!inputs.options.dumpGradients.empty())
    FT_RETURN_IF_ERROR(openGradientsFolder(inputs.options.dumpGradients));
  FT_RETURN_IF_ERROR(takeFolder(path));
  if (inputs.options.onFolder)
    inputs.options.onFolder(path);
  const bool saves = inputs.saves();
  if (!saves && !inputs.resume && inputs.resumeNotes.empty())
    return {};
  std::vector<RunFact> facts = inputFacts(inputs);
  std::ranges::move(deviceFacts(inputs, program.device()), std::back_inserter(facts));
  std::vector<std::string> products = program.device().products();
  tellResume(facts, products);
  if (!saves)
    return {};
  const std::vector<FactDifference> changes =
      inputs.resume ? differences(inputs.resume->state().facts, facts) : std::vector<FactDifference>();
  saved.emplace(program, rank, journal, path,
                Checkpoints::OfTheRun{inputs.plan().run().seed(), std::move(facts), std::move(products),
                                      [this] { return weightsFacts(inputs); }},
                systemFiles());
  if (inputs.weights)
    inputs.weights->begin(*inputs.model);
  if (inputs.resume)
    continueSaving(changes);
  return {};
}

Status RunOutputs::takeFolder(const std::string &path) {
  if (inputs.continuesInPlace()) {
    const RunPosition &position = inputs.resume->state().position;
    FT_ASSIGN_OR_RETURN(folder, OutputFolder::reopen(path, inputs.plan(), position.step, inputs.damaged));
    return journal.continueMetrics(folder->file("metrics.jsonl"), position.step, position.evaluated);
  }
  FT_ASSIGN_OR_RETURN(folder, OutputFolder::prepare(path, inputs.plan(), inputs.options.overwrite));
  return journal.keepMetrics(folder->file("metrics.jsonl"));
}

/// A library of another version may lack some, and chooses itself then.
void RunOutputs::tellAlgorithms(const Device &device) {
  if (!inputs.algorithms)
    return;
  if (inputs.resume)
    return journal.line(fmt::format("note: the run that is continued says how products are computed; {} is not used",
                                    inputs.options.algorithms));
  const std::vector<std::string> &wanted = inputs.algorithms->products;
  const std::vector<std::string> products = device.products();
  const auto found = std::count_if(products.begin(), products.end(), [&](const std::string &product) {
    return std::find(wanted.begin(), wanted.end(), product) != wanted.end();
  });
  journal.line(fmt::format("{} of {} products are computed as {} says{}", found, products.size(),
                           inputs.options.algorithms,
                           inputs.algorithms->device == device.info().name
                               ? ""
                               : fmt::format(", which was made on {}", shown(inputs.algorithms->device))));
}

void RunOutputs::continueSaving(const std::vector<FactDifference> &changes) {
  CheckpointState state = inputs.resume->state();
  if (state.best && std::any_of(changes.begin(), changes.end(),
                                [](const FactDifference &change) { return change.name == "eval_data"; })) {
    if (inputs.plan().run().load_best_model_at_end())
      journal.line(fmt::format("note: step {} was the best so far, on other held-out data: it is not compared with the "
                               "steps that follow",
                               state.best->step));
    state.best.reset();
  }
  const bool inPlace = inputs.continuesInPlace();
  if (state.best && !inPlace)
    state.best->path = checkpointPath(inputs, state.best->step);
  saved->continueFrom(state, inPlace ? "" : checkpointPath(inputs, state.position.step));
}

void RunOutputs::tellResume(const std::vector<RunFact> &facts, const std::vector<std::string> &products) {
  for (const std::string &note : inputs.resumeNotes)
    journal.line("note: " + note);
  if (!inputs.resume)
    return;
  const CheckpointState &state = inputs.resume->state();
  if (inputs.weights && !namesWeights(state.facts))
    journal.line("note: the checkpoint does not say which weights its base had: of them size, header and both ends of "
                 "each tensor are compared, not every byte");
  std::string why = describeChanges(*inputs.resume, inputs.plan(), facts);
  if (why.empty())
    why = productDifference(state.products, products);
  if (why.empty() && !inputs.plan().deterministic())
    why = "the plan is not deterministic";
  journal.line(fmt::format("resumes {} behind step {} of {}: {}", inputs.resume->path(), state.position.step,
                           inputs.steps,
                           why.empty() ? "continues bit for bit" : "continues, not bit-identical: " + why));
  const uint64_t last = inputs.options.stopAfter ? std::min(inputs.options.stopAfter, inputs.steps) : inputs.steps;
  if (state.position.step > last)
    journal.line(fmt::format("note: the checkpoint is behind step {}, the last that this run was asked for: nothing is "
                             "trained, and what it holds is the result",
                             last));
}

Status RunOutputs::dumpGradients(const BufferReader &read) const {
  return rt::dumpGradients(inputs.plan(), read, inputs.options.dumpGradients);
}

Status RunOutputs::finish(RankProgram &program, const BufferReader &read, const RunResult &result) {
  const std::optional<BadStep> &bad = result.training.bad;
  if (inputs.options.profile)
    journal.line(formatProfile(program.profile()));
  RunResult told = result;
  told.lostMetrics = journal.lostLines();
  if (saved) {
    saved->finish();
    told.lostCheckpoints = saved->failures();
  }
  if (folder->makeAgain())
    journal.line(fmt::format("note: {} was removed while the run was in it; it is made again for the results, and what "
                             "was there before is lost",
                             folder->path()));
  std::string place = folder->path();
  if (bad) {
    FT_ASSIGN_OR_RETURN(place, folder->failedStepFolder(bad->step));
  }
  folder->releaseRoom();
  FT_RETURN_IF_ERROR(exportFiles(inputs.plan(), read, place).status());
  const MemoryOutcome memory = memoryOutcome(inputs, program, arenas);
  FT_RETURN_IF_ERROR(
      writeFileAtomically(folder->file("summary.json"),
                          summaryJson(inputs, program.device().info(), told, interrupts.requested(), memory)));
  if (inputs.plan().target().driver() == plan::CUDA)
    FT_RETURN_IF_ERROR(writeFileAtomically(folder->file(algorithmsFile), toJson(algorithmsOf(program.device()))));
  journal.line(closing(inputs, result, memory, folder->files(inputs.plan())));
  if (bad)
    return failed(
        fmt::format("step {}, micro-batch {}: the {} is not finite; the model was not updated, and its last good "
                    "state is in {}: lower learning_rate or set max_grad_norm",
                    bad->step, bad->microBatch, bad->gradNorm ? "gradient norm" : "loss", place));
  if (interrupts.requested())
    return {Code::Interrupted, fmt::format("interrupted after step {} of {}; the model as it is then is in {}{}",
                                           result.training.steps, inputs.steps, place, continuation())};
  return {};
}

std::string RunOutputs::continuation() const {
  if (!saved || saved->newest() == 0)
    return "";
  return fmt::format("; --resume auto continues from {}", checkpointName(saved->newest()));
}
