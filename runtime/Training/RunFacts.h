// What the numbers of a run depend on, by name: what a checkpoint remembers of the run that made it.
#pragma once

#include "runtime/Checkpoint/CheckpointState.h"
#include "runtime/Program/RankProgram.h"
#include "runtime/Training/RunInputs.h"

namespace ft::rt {

/// Of plan, model, data and settings.
std::vector<RunFact> inputFacts(const RunInputs &inputs);
/// Of processor and libraries.
std::vector<RunFact> deviceFacts(const RunInputs &inputs, Device &device);

/// "base_weights", of all bytes of the weights that stay as they are; nothing where none do. Reads them where nobody
/// has.
std::vector<RunFact> weightsFacts(const RunInputs &inputs);

/// Whether a run's facts, as a checkpoint keeps them, say which weights those were.
bool namesWeights(const std::vector<RunFact> &facts);

struct FactDifference {
  std::string name, then, now;
  /// The run cannot be another's: what it trains is not what the checkpoint holds.
  bool forbidden = false;
};
/// Of what both name; facts of one side alone are those of other versions.
std::vector<FactDifference> differences(const std::vector<RunFact> &then, const std::vector<RunFact> &now);
/// What is said of the first product that is computed otherwise; empty where none is.
std::string productDifference(const std::vector<std::string> &then, const std::vector<std::string> &now);
/// "data is 12ab… there and 34cd… now; seed is 1 there and 2 now".
std::string describe(const std::vector<FactDifference> &differences);
/// The same of a checkpoint's run and one of `plan` with these facts; where the plans compute different things, by the
/// fields of their recipes: "precision is FP32_TRUE there and BF16_MIXED now". Empty where nothing differs.
std::string describeChanges(const Checkpoint &checkpoint, const plan::Plan &plan, const std::vector<RunFact> &now);

} // namespace ft::rt
