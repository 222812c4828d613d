// One rank of a run whose ranks are in several processes.
#pragma once

#include "runtime/Training/Run.h"

namespace ft::rt {

/// Reads what the run needs, finds the other processes and compares what must be the same everywhere, and runs this
/// one's rank, or its RunOptions::ranks, a thread each. Rank 0 speaks to the user and writes the results; another keeps
/// "rank-N.log" where it sees the output folder. Errors as runPlan's; where another rank refuses or fails, its code
/// before the start and Failed behind it, with a message that names it.
Status runProcess(const Launch &launch, const RunOptions &options, Interrupts &interrupts, Console &console);

} // namespace ft::rt
