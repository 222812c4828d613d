// One rank's part of a run.
#pragma once

#include "runtime/Training/Lockstep.h"
#include "runtime/Training/RunOutputs.h"

namespace ft::rt {

/// What a rank is given: what all ranks read, and what is its own.
struct RankContext {
  uint32_t rank = 0; ///< below inputs.world
  const RunInputs &inputs;
  Lockstep &lockstep;
  Journal &journal;
  RunOutputs *outputs; ///< rank 0's; null on every other
};

/// Makes a RankProgram, loads weights into it, and evaluates, generates and trains with it. One thread for each rank
/// runs this; rank 0's is the one that made Interrupts, since a second signal stops that one before it starts a file.
/// Errors as runPlan's.
Status runRank(const RankContext &context);

} // namespace ft::rt
