// What a run reads.
#pragma once

#include "runtime/Checkpoint/Algorithms.h"
#include "runtime/Checkpoint/Checkpoint.h"
#include "runtime/Plan/PlanFile.h"
#include "runtime/Text/PreparedData.h"
#include "runtime/Training/Run.h"
#include "runtime/Weights/Adapter.h"
#include "runtime/Weights/Model.h"
#include "runtime/Weights/WeightsChecksum.h"

namespace ft::rt {

/// The recipe with every default, as ftc stores it in a plan.
constexpr std::string_view resolvedRecipeFile = "recipe.resolved.textproto";

/// Reads and verifies a plan.
Expected<std::unique_ptr<PlanFile>> openPlan(const std::string &path);

/// Opened once for all ranks of a process, which then share it: from there on nothing in it changes, and all of it may
/// be read from several threads.
struct RunInputs {
  explicit RunInputs(const RunOptions &options) : options(options) {}

  const RunOptions &options;
  std::unique_ptr<PlanFile> file; ///< its run section already holds what --set and --max-steps say
  std::optional<ModelSource> model;
  /// Of the model's weights, where some of them stay as they are; null where there is nothing to compare: a seed, or a
  /// run whose weights are all in its checkpoints.
  std::unique_ptr<WeightsChecksum> weights;
  std::optional<AdapterSource> adapter;
  std::optional<TextCodec> codec;
  std::vector<uint32_t> prompt;   ///< of the answer to generate; empty where none is
  PreparedData train, held;       ///< held.file is null without held-out data
  uint64_t steps = 0;             ///< the schedule's horizon
  uint32_t world = 1;             ///< ranks that share a step's rows
  uint32_t ranksHere = 1;         ///< of them, in this process, a thread each
  uint32_t ranksOnHost = 1;       ///< of them, on this host: they share its memory
  uint32_t ranksOnProcessors = 1; ///< of them, on the processors that this process may use
  std::vector<std::string> hosts; ///< by rank, of ranks in several processes; empty: all are here
  /// What the run continues from; null where it starts anew.
  std::unique_ptr<Checkpoint> resume;
  std::vector<std::string> resumeNotes;
  std::optional<Algorithms> algorithms; ///< of --algorithms; a checkpoint's products go before
  std::vector<uint64_t> damaged;        ///< steps of checkpoints in the run's folder that look complete and are not

  const plan::Plan &plan() const { return file->plan; }
  bool generates() const { return !prompt.empty(); }
  /// Whether the run makes checkpoints.
  bool saves() const { return plan().run().save_steps() > 0 || plan().run().save_on_signal(); }
  /// Of all ranks.
  uint64_t rowsPerStep() const;
  /// Where the run writes.
  std::string outputFolder() const;
  /// Whether it continues in its own folder, behind what is there.
  bool continuesInPlace() const;
  /// Whether nothing is left to do: the checkpoint is the last one, and all that follows it has been written.
  bool isFinished() const;
};

/// Reads and verifies the plan, opens the model and compares both, prepares the data. Errors: BadInput and CannotRun as
/// the parts return them; `console` is told what does not stop the run.
Expected<RunInputs> openInputs(const RunOptions &options, Console &console);

} // namespace ft::rt
