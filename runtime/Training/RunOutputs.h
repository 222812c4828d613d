// What a run leaves behind: rank 0's part.
#pragma once

#include "runtime/Training/Journal.h"
#include "runtime/Training/OutputFolder.h"
#include "runtime/Training/RunReport.h"

namespace ft::rt {

/// Output folder, banner, saving and summary. Rank 0 alone has one; its program's arenas are what is saved.
class RunOutputs {
public:
  /// All of them must outlive it.
  RunOutputs(const RunInputs &inputs, const Interrupts &interrupts, Journal &journal)
      : inputs(inputs), interrupts(interrupts), journal(journal) {}

  /// Refuses what open() would, and prints the banner: asked before weights are read, which may take minutes. Errors as
  /// OutputFolder::check's, and BadInput where the folder holds what the run reads. Leaves nothing behind.
  Status check(RankProgram &program);
  /// Takes the output folder and starts metrics.jsonl in it. Nothing may be refused behind it: a refused run leaves no
  /// folder behind.
  Status open();
  /// The first step's gradients, for --dump-gradients.
  Status dumpGradients(const RankProgram &program) const;
  /// Saves what there is and says how the run ended: its status is the run's.
  Status finish(RankProgram &program, const RunResult &result);

  /// The memory of the run's ranks: those without outputs add theirs.
  ProcessArenas &processArenas() { return arenas; }
  /// Of the output folder.
  std::string path() const;

private:
  const RunInputs &inputs;
  const Interrupts &interrupts;
  Journal &journal;
  std::optional<OutputFolder> folder;
  ProcessArenas arenas;
};

} // namespace ft::rt
