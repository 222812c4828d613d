// What a run leaves behind: rank 0's part.
#pragma once

#include "runtime/Training/Checkpoints.h"
#include "runtime/Training/Journal.h"
#include "runtime/Training/OutputFolder.h"
#include "runtime/Training/RunFacts.h"
#include "runtime/Training/RunReport.h"
#include "runtime/Weights/Export.h"

namespace ft::rt {

/// Output folder, banner, saving and summary. Rank 0 alone has one; its program's arenas are what is saved.
class RunOutputs {
public:
  /// All of them must outlive it.
  RunOutputs(const RunInputs &inputs, const Interrupts &interrupts, Journal &journal)
      : inputs(inputs), interrupts(interrupts), journal(journal) {}

  /// Refuses what open() would, and prints the banner: asked before weights are read, which may take minutes. Errors as
  /// OutputFolder::check's or checkReopen's, and BadInput where the folder holds what the run reads. Leaves nothing
  /// behind.
  Status check(RankProgram &program);
  /// Takes the output folder and starts metrics.jsonl in it, or goes on with it. Nothing may be refused behind it: a
  /// refused run leaves no folder behind.
  Status open(RankProgram &program, SavingRank rank);
  /// The first step's gradients, for --dump-gradients.
  Status dumpGradients(const BufferReader &read) const;
  /// Saves what there is and says how the run ended: its status is the run's.
  Status finish(RankProgram &program, const BufferReader &read, const RunResult &result);

  /// The memory of the run's ranks: those without outputs add theirs.
  ProcessArenas &processArenas() { return arenas; }
  /// What ranks that are threads of the process have captured.
  ProcessSnapshots &processSnapshots() { return snapshots; }
  /// Null where the run makes none.
  Checkpoints *checkpoints() { return saved ? &*saved : nullptr; }
  /// Of the output folder, once it is taken.
  const std::string &path() const { return folder->path(); }

private:
  Status takeFolder(const std::string &path);
  /// "; --resume auto continues from checkpoint-20", where it does.
  std::string continuation() const;
  /// Says how many products are computed as --algorithms asks.
  void tellAlgorithms(const Device &device);
  /// Checkpoints go on from the one that the run continues from.
  void continueSaving(const std::vector<FactDifference> &changes);
  /// Says what the run continues from, and whether it will be what it would have been without a break.
  void tellResume(const std::vector<RunFact> &facts, const std::vector<std::string> &products);

  const RunInputs &inputs;
  const Interrupts &interrupts;
  Journal &journal;
  std::optional<OutputFolder> folder;
  ProcessArenas arenas;
  ProcessSnapshots snapshots; // outlives what registers there
  std::optional<Checkpoints> saved;
};

} // namespace ft::rt
