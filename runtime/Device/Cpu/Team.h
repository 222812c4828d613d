// The threads of the cpu driver: the OpenMP team that the GEMM library runs on, used by row kernels and copies too.
#pragma once

#include "runtime/Device/Cpu/Libraries.h"
#include "runtime/Support/Ordered.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>

namespace ft::rt {

/// Fork-join over one OpenMP team. Two pools of threads would fight for the cores, since an idle OpenMP team spins for
/// a while. Driven by one thread; `run` returns when every member has finished.
class Team {
public:
  Team(const OpenMpApi &api, uint32_t threads)
      : api(api), threadCount(std::max<uint32_t>(threads, 1)), shares(new Share[threadCount]) {
    api.setDynamic(0);
    api.setNumThreads(static_cast<int>(threadCount));
  }
  uint32_t threads() const { return threadCount; }

  /// Members that the runtime gives: fewer than threads() where its environment bounds them. What products compute
  /// depends on it.
  uint32_t given() const {
    struct Asked {
      const OpenMpApi &api;
      int members;
    } asked{api, 1};
    auto member = [](void *data) {
      Asked &asked = *static_cast<Asked *>(data);
      if (asked.api.threadNum() == 0) // the caller itself
        asked.members = asked.api.numThreads();
    };
    api.parallel(member, &asked, threadCount, 0);
    return static_cast<uint32_t>(asked.members);
  }

  /// Calls body(begin, end) on the members for ranges that cover [0, items). Each member has a contiguous share, the
  /// same for the same number of items, and takes it piece by piece; who is done helps those that the machine holds up
  /// with something else. What the caller computes must not depend on where the ranges end.
  template <typename Body> void run(int64_t items, Body &&body) const {
    runAs(items, [&](uint32_t, int64_t begin, int64_t end) { body(begin, end); });
  }

  /// The same with body(member, begin, end), member below threads(): no two calls at a time have the same.
  template <typename Body> void runAs(int64_t items, Body &&body) const {
    if (items <= 0)
      return;
    if (items == 1 || threadCount == 1)
      return body(uint32_t(0), int64_t(0), items);
    const int64_t count = std::min<int64_t>(threadCount, items);
    struct Job {
      const OpenMpApi &api;
      Share *shares;
      int64_t count, piece;
      Body &body;
    } job{api, shares.get(), count, std::max<int64_t>(1, items / (count * piecesEach)), body};
    const int64_t share = items / count, rest = items % count;
    for (int64_t i = 0, begin = 0; i < count; ++i) {
      shares[i].next.store(begin, std::memory_order_relaxed);
      shares[i].end = begin += share + (i < rest ? 1 : 0);
    }
    // The library forks behind what the caller has done, and joins behind what each member has.
    auto member = [](void *data) {
      orderedAfter(data);
      Job &job = *static_cast<Job *>(data);
      const int64_t self = job.api.threadNum(); // below count: the runtime may give fewer threads, never more
      for (int64_t other = 0; other < job.count; ++other) {
        Share &from = job.shares[(self + other) % job.count];
        for (int64_t begin; (begin = from.next.fetch_add(job.piece, std::memory_order_relaxed)) < from.end;)
          job.body(static_cast<uint32_t>(self), begin, std::min(begin + job.piece, from.end));
      }
      orderedBefore(data);
    };
    orderedBefore(&job);
    api.parallel(member, &job, static_cast<unsigned>(count), 0);
    orderedAfter(&job);
  }

private:
  /// Pieces of a share: the last ones end together, and taking one costs nothing beside it.
  static constexpr int64_t piecesEach = 8;

  struct alignas(64) Share {
    std::atomic<int64_t> next;
    int64_t end;
  };

  OpenMpApi api;
  uint32_t threadCount;
  std::unique_ptr<Share[]> shares;
};

} // namespace ft::rt
