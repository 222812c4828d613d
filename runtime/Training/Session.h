// The parts of one run, in the order in which they come to life. Internal to runPlan.
#pragma once

#include "runtime/Metrics/MemoryUse.h"
#include "runtime/Text/PreparedData.h"
#include "runtime/Training/Generator.h"
#include "runtime/Training/OutputFolder.h"
#include "runtime/Training/Run.h"
#include "runtime/Training/Trainer.h"
#include "runtime/Weights/Load.h"

namespace ft::rt {

/// The recipe with every default, as ftc stores it in a plan.
constexpr std::string_view resolvedRecipeFile = "recipe.resolved.textproto";

struct Session {
  Session(const RunOptions &options, const Interrupts &interrupts, Console &console)
      : options(options), interrupts(interrupts), console(console) {}

  const RunOptions &options;
  const Interrupts &interrupts;
  Console &console;

  std::unique_ptr<PlanFile> file; ///< its run section already holds what --set and --max-steps say
  std::optional<ModelSource> model;
  std::optional<AdapterSource> adapter;
  std::optional<TextCodec> codec;
  std::vector<uint32_t> prompt; ///< of the answer to generate; empty where none is
  PreparedData train, held;     ///< held.file is null without held-out data
  std::optional<OutputFolder> folder;
  std::unique_ptr<RankProgram> program;
  std::unique_ptr<BatchFeed> trainFeed, heldFeed;
  std::optional<JsonLines> lines;
  uint64_t steps = 0; ///< the schedule's horizon

  std::optional<EvaluationMetrics> before, after;
  std::string answerBefore, answerAfter;
  TrainingResult training;

  const plan::Plan &plan() const { return file->plan; }
  /// A file that the run leaves beside what the plan says.
  void addText(const std::string &name, std::string content) {
    plan::Text *text = file->plan.add_texts();
    text->set_file(name);
    text->set_content(std::move(content));
  }
  bool generates() const { return !prompt.empty(); }
};

/// The lines before the first step: target, libraries, digest, memory table, data, batches.
std::string banner(const Session &session);
/// The lines behind the last: times, losses, memory, files.
std::string closing(const Session &session, const MemoryOutcome &memory, const std::vector<std::string> &files);
/// summary.json.
std::string summaryJson(const Session &session, const MemoryOutcome &memory);
/// Predicted and measured memory of the whole run.
MemoryOutcome memoryOutcome(const Session &session);
/// Time by kind of step, then by kernel and shape, for --profile.
std::string formatProfile(const Profile &profile);

} // namespace ft::rt
