// All ranks of a run in one process.
#pragma once

#include "runtime/Training/RankRun.h"

namespace ft::rt {

/// A thread for each rank; the caller's is rank 0's, which alone owns `journal` and `outputs`. Every other rank tells
/// what it does in "rank-N.log" of the output folder. Returns when all have ended. Where ranks fail, the others are
/// released, and the status is that of the rank which failed first.
Status runRanks(const RunInputs &inputs, const Interrupts &interrupts, Journal &journal, RunOutputs &outputs);

} // namespace ft::rt
