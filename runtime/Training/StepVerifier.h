// Every so many steps, the same step twice: a processor that computes wrong in silence is found.
#pragma once

#include "runtime/Program/RankProgram.h"
#include "runtime/Program/Snapshot.h"

namespace ft::rt {

/// Runs a step again from the state and the records that it began with, and compares all bits that it leaves: trained
/// parameters, moments, loss and norm. On each rank for itself; all replay together. It takes the plan's memory for
/// checkpoints while it works.
class StepVerifier {
public:
  /// Takes its memory here. `program` must outlive it, with a plan that is deterministic and has the memory.
  StepVerifier(RankProgram &program, uint64_t every, uint32_t rank = 0);

  bool verifies(uint64_t step) const { return step % every == 0; }
  /// Between two steps: keeps what the device holds.
  Status begin();
  bool recording() const { return active; }
  /// Keeps the batch record that is about to be submitted, and the kind of the segment that works on it.
  void keep(plan::Segment::Kind kind);
  /// Behind the step, whose outputs are in `slot`. Fails with Failed, naming what differs.
  Status end(uint64_t step, uint32_t slot);

private:
  Expected<uint32_t> replay();
  Status compareOutputs(uint64_t step, uint32_t first, uint32_t second) const;

  RankProgram &program;
  const uint64_t every;
  Snapshot snapshot;
  std::vector<std::vector<char>> records; ///< of the step, by micro-batch
  std::vector<plan::Segment::Kind> kinds; ///< the same
  size_t kept = 0;
  bool active = false;
};

} // namespace ft::rt
