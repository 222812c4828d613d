// When rank 0 makes checkpoints, what they say, and what becomes of them.
#pragma once

#include "runtime/Checkpoint/CheckpointWriter.h"
#include "runtime/Training/Journal.h"
#include "runtime/Training/StepSaving.h"

#include <functional>
#include <set>

namespace ft::rt {

/// Rank 0's. Writes on another thread while training goes on, but where shares lie in other processes: those are
/// collected while all ranks stand. A checkpoint that cannot be written does not end the run: it is told, and the one
/// before stays the newest.
class Checkpoints final : public StepSaving {
public:
  /// What all checkpoints of a run say; the others are of a step.
  struct OfTheRun {
    uint64_t seed = 0;
    std::vector<RunFact> facts;
    std::vector<std::string> products;
    /// What takes long to find out: asked for by the thread that writes.
    std::function<std::vector<RunFact>()> lateFacts;
  };
  /// All but `ofTheRun` must outlive it, `program` with its arenas most of all.
  Checkpoints(RankProgram &program, SavingRank rank, Journal &journal, std::string folder, OfTheRun ofTheRun,
              Files &files);

  /// What was seen before the first step; told again by a run that continues.
  void setBefore(const std::optional<EvaluationMetrics> &evaluation, const std::string &answer);
  /// Takes over what the checkpoint that the run continues from knows. `elsewhere`: where that lies, if not in this
  /// folder, and else empty.
  void continueFrom(const CheckpointState &state, const std::string &elsewhere);

  /// Counts where the step is captured, or the newest checkpoint is of it.
  void evaluated(const EvaluationMetrics &metrics, bool captured) override;
  Status write(const RunPosition &position) override;
  /// Waits until all is written, or told.
  void finish() { tell(writer.wait()); }

  /// The step whose checkpoint is complete and newest, of this run; 0: none yet.
  uint64_t newest() const { return newestStep; }
  /// The best of those that are complete. Behind finish().
  std::optional<BestStep> best() const;
  /// The best that could not be written, where no later one was better than that. Behind finish().
  std::optional<BestStep> lostBest() const;
  uint64_t failures() const { return failureCount; }

private:
  void finishWriting() override { finish(); }
  Status collectAndWrite(CheckpointWriter::Order order);
  void tell(const std::optional<CheckpointWriter::Outcome> &outcome);

  Journal &journal;
  const std::string folder;
  const std::function<std::vector<RunFact>()> lateFacts;
  CheckpointState next;
  uint64_t resumedStep = 0;
  std::string resumedPath;        ///< where it lies elsewhere
  std::set<uint64_t> lost;        ///< could not be written
  std::optional<BestStep> missed; ///< the best of them
  uint64_t newestStep = 0, failureCount = 0;
  CheckpointWriter writer; // stops first
};

} // namespace ft::rt
