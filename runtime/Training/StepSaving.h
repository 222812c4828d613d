// A rank's part in checkpoints.
#pragma once

#include "runtime/Checkpoint/CheckpointState.h"
#include "runtime/Program/RankProgram.h"
#include "runtime/Training/CollectingReader.h"
#include "runtime/Training/Lockstep.h"

namespace ft::rt {

/// A rank among those that a checkpoint is put together from.
struct SavingRank {
  uint32_t rank = 0;
  Lockstep &lockstep;
  Communicator *host = nullptr;     ///< null in a world of one
  ProcessSnapshots *here = nullptr; ///< of ranks that are threads of one process; null where each has its own
};

/// Of a run whose plan has room for checkpoints. A step is captured between it and the next one, into the plan's own
/// memory, and written from there while training goes on. Rank 0 writes; where ranks hold shares of the state, each of
/// them has one of these and makes the same calls, and all capture between the same two steps. Elsewhere rank 0 alone
/// has one.
class StepSaving {
public:
  /// `program`, with its arenas, and what `rank` names must outlive it.
  StepSaving(RankProgram &program, SavingRank rank);
  virtual ~StepSaving();
  StepSaving(const StepSaving &) = delete;
  StepSaving &operator=(const StepSaving &) = delete;

  /// Whether the step is to be saved whatever happens; `last`: no other follows in this process.
  bool dueAfter(uint64_t step, bool last) const;
  /// Whether a run that is interrupted behind the step leaves one, as all ranks see it.
  Expected<bool> dueOnSignal(uint64_t step) const;

  /// Copies what the device holds now, behind settle(). Milliseconds that this took.
  Expected<double> capture();
  /// Waits until no checkpoint is on its way, on any rank.
  Status settle();
  /// Held-out loss of the step that finished last; `captured`: it waits to be written.
  virtual void evaluated(const EvaluationMetrics &metrics, bool captured) = 0;
  /// Writes what was captured last, or gives rank 0 what it writes. Errors: those of other ranks alone.
  virtual Status write(const RunPosition &position) = 0;

protected:
  /// Rank 0's: for the checkpoint that is being written.
  virtual void finishWriting() {}

  const plan::Plan &plan;
  const plan::Run &run;
  const SavingRank self;
  const bool shared; ///< ranks hold shares of the state
  Snapshot snapshot;
  uint64_t startedStep = 0; ///< the last that is written or on its way
};

/// Another rank's than rank 0's.
class ShareSaving final : public StepSaving {
public:
  using StepSaving::StepSaving;
  /// The run continues from a checkpoint of this step in its own folder.
  void continueFrom(uint64_t step) { startedStep = step; }
  void evaluated(const EvaluationMetrics &, bool) override {}
  Status write(const RunPosition &position) override;
};

} // namespace ft::rt
