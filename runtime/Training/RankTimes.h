// What each rank computed and waited for: which one the others wait for.
#pragma once

#include "runtime/Communication/Communicator.h"
#include "runtime/Communication/Progress.h"

#include <functional>
#include <string>
#include <vector>

namespace ft::rt {

/// A rank's mean step, in milliseconds; on a GPU what it computed and waited for is of the last step.
struct RankTimes {
  double step = 0;
  double own = 0;                                ///< computing
  double exposed = 0;                            ///< in collectives: waiting for others, and the exchange itself
  int slowest = plan::Segment::KIND_UNSPECIFIED; ///< the segment that computes longest
  double slowestOwn = 0;                         ///< in it
};

/// Of this rank, whose `steps` steps took so long; `of` says what a step's runs of a segment took.
Expected<RankTimes> timesOf(uint64_t steps, double seconds,
                            const std::function<Expected<Progress::Times>(plan::Segment::Kind)> &of);

/// Of all ranks, in their order; each asks, and gives its own.
Expected<std::vector<RankTimes>> gatherTimes(const RankTimes &own, Communicator &communicator);

/// The rank with the most to compute.
size_t slowestRank(const std::vector<RankTimes> &ranks);

/// "ranks compute 91.0 to 130.1 ms of a step of 140.2; slowest: rank 2 (host node-b), most in ACCUMULATE_LAST (80.3
/// ms); the others wait 38.1 ms for ranks and exchanges at most". `hosts` by rank; empty: all in one process.
std::string formatTimes(const std::vector<RankTimes> &ranks, const std::vector<std::string> &hosts);

} // namespace ft::rt
