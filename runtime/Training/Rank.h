// A rank between its opening and its end, and what is done with it. Internal to this folder.
#pragma once

#include "runtime/Plan/Shares.h"
#include "runtime/Training/BatchFeed.h"
#include "runtime/Training/CollectingReader.h"
#include "runtime/Training/RankRun.h"
#include "runtime/Training/StepVerifier.h"

namespace ft::rt {

/// What one thread of a run has.
struct Rank {
  explicit Rank(const RankContext &context)
      : context(context), share{context.rank, context.inputs.world}, inputs(context.inputs), lockstep(context.lockstep),
        journal(context.journal), outputs(context.outputs) {
    if (inputs.resume)
      from = inputs.resume->state().position;
  }
  /// A checkpoint that is on its way is read from the program's memory.
  ~Rank() {
    if (outputs && outputs->checkpoints())
      outputs->checkpoints()->finish();
  }
  Rank(const Rank &) = delete;
  Rank &operator=(const Rank &) = delete;

  const RankContext &context;
  const BatchShare share;
  const RunInputs &inputs;
  Lockstep &lockstep;
  Journal &journal;
  RunOutputs *const outputs;
  RunPosition from;                           ///< the start, or where the checkpoint stands
  std::unique_ptr<Communicator> communicator; // outlives the program
  std::unique_ptr<RankProgram> program;
  std::unique_ptr<BatchFeed> trainFeed, heldFeed;
  std::optional<StepVerifier> verifier;
  std::optional<ShareSaving> shareSaving; ///< another rank's than rank 0's
  uint64_t ncclBytes = 0;                 ///< of the device, outside the arenas

  const plan::Plan &plan() const { return inputs.plan(); }
  /// Its part in checkpoints, or none.
  StepSaving *saving() {
    if (outputs)
      return outputs->checkpoints();
    return shareSaving ? &*shareSaving : nullptr;
  }
  SavingRank savingRank() const { return {context.rank, lockstep, context.host, context.snapshots}; }
  BufferReader reader() const { return collectingReader(*program, context.host, context.rank); }
};

/// Opens the device and loads the plan's program on it. Errors: BadInput where an option does not go with the plan's
/// target; CannotRun as the device and RankProgram::load return them.
Status openProgram(Rank &rank);
/// All tensors as they are at the start; those of `before`, where it is not null, from there. Runs `initialize`.
Status loadWeights(Rank &rank, const TensorSource *before);
/// Rows to train on, and those held out, from where the run stands.
Status openFeeds(Rank &rank);
/// Another rank's part in checkpoints, where it has one.
void openShare(Rank &rank);

/// Held-out loss and one answer, as they are now; what an early end leaves out is empty.
Expected<ModelView> look(Rank &rank, uint64_t step);
/// What was seen before the first step, now or by the process that the run continues.
Expected<ModelView> lookBefore(Rank &rank);

/// Where an earlier step had the least held-out loss, its weights are what the run leaves: `result` says so.
Status loadBest(Rank &rank, RunResult &result);

} // namespace ft::rt
