#include "runtime/Training/RankTimes.h"

#include <algorithm>
#include <bit>
#include <fmt/format.h>

using namespace ft;
using namespace ft::rt;

namespace {
/// Of a step of training; evaluation and generation are not what ranks wait in.
constexpr plan::Segment::Kind trained[] = {plan::Segment::ACCUMULATE_FIRST, plan::Segment::ACCUMULATE_FIRST_TARGETS,
                                           plan::Segment::ACCUMULATE_NEXT,  plan::Segment::ACCUMULATE_NEXT_TARGETS,
                                           plan::Segment::ACCUMULATE_LAST,  plan::Segment::ACCUMULATE_LAST_TARGETS,
                                           plan::Segment::UPDATE,           plan::Segment::FINISH,
                                           plan::Segment::FINISH_FIRST,     plan::Segment::FINISH_FIRST_TARGETS};

/// What `rank` has, for all: the sum of one number and of zeros is that number.
Expected<double> fromRank(uint32_t rank, double mine, Communicator &communicator) {
  FT_ASSIGN_OR_RETURN(
      const uint64_t bits,
      communicator.agree(Agreement::Sum, communicator.rank() == rank ? std::bit_cast<uint64_t>(mine) : 0));
  return std::bit_cast<double>(bits);
}
} // namespace

Expected<RankTimes> ft::rt::timesOf(uint64_t steps, double seconds,
                                    const std::function<Expected<Progress::Times>(plan::Segment::Kind)> &of) {
  RankTimes times;
  times.step = seconds * 1e3 / static_cast<double>(std::max<uint64_t>(1, steps));
  for (const plan::Segment::Kind kind : trained) {
    FT_ASSIGN_OR_RETURN(const Progress::Times segment, of(kind));
    times.own += segment.own;
    times.exposed += segment.exposed;
    if (segment.own > times.slowestOwn)
      times.slowest = kind, times.slowestOwn = segment.own;
  }
  return times;
}

Expected<std::vector<RankTimes>> ft::rt::gatherTimes(const RankTimes &own, Communicator &communicator) {
  std::vector<RankTimes> ranks(communicator.size());
  for (uint32_t rank = 0; rank < ranks.size(); ++rank) {
    RankTimes &times = ranks[rank];
    FT_ASSIGN_OR_RETURN(times.step, fromRank(rank, own.step, communicator));
    FT_ASSIGN_OR_RETURN(times.own, fromRank(rank, own.own, communicator));
    FT_ASSIGN_OR_RETURN(times.exposed, fromRank(rank, own.exposed, communicator));
    FT_ASSIGN_OR_RETURN(const double slowest, fromRank(rank, own.slowest, communicator));
    FT_ASSIGN_OR_RETURN(times.slowestOwn, fromRank(rank, own.slowestOwn, communicator));
    times.slowest = static_cast<int>(slowest);
  }
  return ranks;
}

size_t ft::rt::slowestRank(const std::vector<RankTimes> &ranks) {
  return static_cast<size_t>(std::max_element(ranks.begin(), ranks.end(),
                                              [](const RankTimes &a, const RankTimes &b) { return a.own < b.own; }) -
                             ranks.begin());
}

std::string ft::rt::formatTimes(const std::vector<RankTimes> &ranks, const std::vector<std::string> &hosts) {
  const size_t last = slowestRank(ranks);
  const RankTimes &slow = ranks[last];
  double least = slow.own, exposed = 0;
  for (const RankTimes &times : ranks) {
    least = std::min(least, times.own);
    exposed = std::max(exposed, times.exposed);
  }
  return fmt::format(
      "ranks compute {:.1f} to {:.1f} ms of a step of {:.1f}; slowest: rank {}{}, most in {} ({:.1f} ms); "
      "the others wait for ranks and exchanges {:.1f} ms at most",
      least, slow.own, slow.step, last, hosts.empty() ? "" : fmt::format(" (host {})", hosts[last]),
      plan::Segment::Kind_Name(plan::Segment::Kind(slow.slowest)), slow.slowestOwn, exposed);
}
