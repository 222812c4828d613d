// state.json: what a checkpoint says beside its tensors.
#pragma once

#include "runtime/Metrics/StepMetrics.h"
#include "runtime/Support/Status.h"
#include "runtime/Weights/SafetensorsWriter.h"

#include <optional>

namespace ft::rt {

/// One thing that a run's numbers depend on, by name, as text: "data", "learning_rate", "processor".
struct RunFact {
  std::string name, value;
  bool operator==(const RunFact &) const = default;
};

/// Where a run stands between two steps. Every draw of a run is Philox of a key and a counter, and counters are made
/// from the step and the row: these two are the whole state of all streams, and of the order of data.
struct RunPosition {
  uint64_t step = 0;      ///< finished
  uint64_t nextRow = 0;   ///< rows that all finished steps took, of all epochs
  bool evaluated = false; ///< the evaluation that follows this step, where one does, is done
  double lossSum = 0;     ///< over the finished steps
  double seconds = 0;     ///< of training alone
  uint64_t tokens = 0, targetTokens = 0;
};

/// The evaluation with the least loss, of those that a checkpoint followed.
struct BestStep {
  uint64_t step = 0;
  double loss = 0;
  std::string path = {}; ///< of its checkpoint, where that is another run's; empty: it lies in the run's own folder
};

struct CheckpointState {
  RunPosition position;
  uint64_t seed = 0;
  std::optional<EvaluationMetrics> before; ///< the first step
  std::string answerBefore;
  std::optional<BestStep> best;
  std::vector<RunFact> facts;
  std::vector<std::string> products; ///< the algorithms that libraries chose, in the order of the plan
  std::vector<WrittenFile> files;    ///< all others of the folder
};

/// The same state gives the same text; numbers come back as the same bits.
std::string toJson(const CheckpointState &state);
/// Fails with BadInput, naming `place` and the field.
Expected<CheckpointState> parseCheckpointState(std::string_view text, const std::string &place);

} // namespace ft::rt
