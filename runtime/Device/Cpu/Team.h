// The threads of the cpu driver: the OpenMP team that the GEMM library runs on, used by row kernels and copies too.
#pragma once

#include "runtime/Device/Cpu/Libraries.h"

#include <algorithm>
#include <cstdint>

namespace ft::rt {

/// Fork-join over one OpenMP team. Two pools of threads would fight for the cores, since an idle OpenMP team spins for
/// a while. Driven by one thread; `run` returns when every member has finished.
class Team {
public:
  Team(const OpenMpApi &api, uint32_t threads) : api(api), threadCount(threads) {
    api.setDynamic(0);
    api.setNumThreads(static_cast<int>(threads));
  }
  uint32_t threads() const { return threadCount; }

  /// Calls body(begin, end) on the members for contiguous ranges that cover [0, items), one range per member. What the
  /// caller computes must not depend on where the ranges end.
  template <typename Body> void run(int64_t items, Body &&body) const {
    if (items <= 0)
      return;
    if (items == 1 || threadCount == 1)
      return body(int64_t(0), items);
    struct Job {
      const OpenMpApi &api;
      int64_t items;
      Body &body;
    } job{api, items, body};
    auto member = [](void *data) {
      Job &job = *static_cast<Job *>(data);
      // The runtime may give fewer threads than were asked for: split by what is here.
      int64_t count = job.api.numThreads(), index = job.api.threadNum();
      int64_t share = job.items / count, rest = job.items % count;
      int64_t begin = index * share + std::min(index, rest);
      int64_t end = begin + share + (index < rest ? 1 : 0);
      if (begin < end)
        job.body(begin, end);
    };
    api.parallel(member, &job, static_cast<unsigned>(std::min<int64_t>(threadCount, items)), 0);
  }

private:
  OpenMpApi api;
  uint32_t threadCount;
};

} // namespace ft::rt
