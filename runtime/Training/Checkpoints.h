// When rank 0 makes checkpoints, what they say, and what becomes of them.
#pragma once

#include "runtime/Checkpoint/CheckpointWriter.h"
#include "runtime/Program/RankProgram.h"
#include "runtime/Program/Snapshot.h"
#include "runtime/Training/Journal.h"

#include <set>

namespace ft::rt {

/// Of a run whose plan has room for them. A step is captured between it and the next one, into the plan's own memory,
/// and written from there on another thread while training goes on. A checkpoint that cannot be written does not end
/// the run: it is told, and the one before stays the newest.
class Checkpoints {
public:
  /// What all checkpoints of a run say; the others are of a step.
  struct OfTheRun {
    uint64_t seed = 0;
    std::vector<RunFact> facts;
    std::vector<std::string> products;
  };
  /// All but `ofTheRun` must outlive it, `program` with its arenas most of all.
  Checkpoints(RankProgram &program, Journal &journal, std::string folder, OfTheRun ofTheRun, Files &files);

  /// Whether the step is to be saved whatever happens; `last`: no other follows in this process.
  bool dueAfter(uint64_t step, bool last) const;
  /// Whether a run that is interrupted behind the step leaves one.
  bool dueOnSignal(uint64_t step) const { return run.save_on_signal() && step > 0 && step != startedStep; }

  /// What was seen before the first step; told again by a run that continues.
  void setBefore(const std::optional<EvaluationMetrics> &evaluation, const std::string &answer);
  /// Takes over what the checkpoint that the run continues from knows; `inPlace`: that lies in this folder.
  void continueFrom(const CheckpointState &state, bool inPlace);

  /// Copies what the device holds now; waits for the checkpoint before this one. Milliseconds that this took.
  Expected<double> capture();
  /// Held-out loss of the step that was captured, or that the newest checkpoint is of.
  void evaluated(const EvaluationMetrics &metrics);
  /// Starts to write what was captured last.
  void write(const RunPosition &position);
  /// Waits until all is written, or told.
  void finish();

  /// The step whose checkpoint is complete and newest, of this run; 0: none yet.
  uint64_t newest() const { return newestStep; }
  /// The best of those that are complete. Behind finish().
  std::optional<BestStep> best() const;
  uint64_t failures() const { return failureCount; }

private:
  void tell(const std::optional<CheckpointWriter::Outcome> &outcome);

  const plan::Plan &plan;
  const plan::Run &run;
  Journal &journal;
  const std::string folder;
  Snapshot snapshot;
  CheckpointState next;
  std::set<uint64_t> lost;  ///< could not be written
  uint64_t startedStep = 0; ///< the last that is written or on its way
  uint64_t newestStep = 0, failureCount = 0;
  CheckpointWriter writer; // stops first
};

} // namespace ft::rt
