// What a run prints before and after, and summary.json.
#pragma once

#include "runtime/Metrics/MemoryUse.h"
#include "runtime/Training/RankTimes.h"
#include "runtime/Training/RunInputs.h"
#include "runtime/Training/Trainer.h"

#include <mutex>

namespace ft::rt {

/// Held-out loss and an answer at one moment of the run, where it has them.
struct ModelView {
  std::optional<EvaluationMetrics> evaluation;
  std::string answer;
};

/// What a rank's part of a run came to.
struct RunResult {
  ModelView before, after;
  TrainingResult training;
  uint64_t bestStep = 0;        ///< whose weights the run leaves; 0: the last
  uint64_t lostCheckpoints = 0; ///< could not be written
  uint64_t lostMetrics = 0;     ///< lines of metrics.jsonl that could not be written
  std::vector<RankTimes> ranks; ///< of several, where what they took is known
};

/// The lines before the first step: target, libraries, digest, memory table, data, batches.
std::string banner(const RunInputs &inputs, const DeviceInfo &device);
/// What is said where nothing is left to do.
std::string finishedLine(const RunInputs &inputs);
/// The lines behind the last: times, losses, memory, files.
std::string closing(const RunInputs &inputs, const RunResult &result, const MemoryOutcome &memory,
                    const std::vector<std::string> &files);
/// summary.json.
std::string summaryJson(const RunInputs &inputs, const DeviceInfo &device, const RunResult &result, bool interrupted,
                        const MemoryOutcome &memory);
/// Where in this process's memory the arenas of its ranks lie. Ranks add theirs from their own threads.
class ProcessArenas {
public:
  void add(RankProgram &program);
  std::vector<AddressRange> ranges() const;

private:
  mutable std::mutex mutex;
  std::vector<AddressRange> added;
};

/// Predicted and measured memory of this process.
MemoryOutcome memoryOutcome(const RunInputs &inputs, RankProgram &program, const ProcessArenas &arenas);
/// Time by kind of step, then by kernel and shape, for --profile.
std::string formatProfile(const Profile &profile);

} // namespace ft::rt
