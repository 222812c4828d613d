// Loading's threads: short-lived, started for one pass over independent items.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace ft::rt {

/// 0: as many as the machine has.
inline uint32_t threadCount(uint32_t requested) {
  return requested ? requested : std::max(1u, std::thread::hardware_concurrency());
}

/// Calls work(item) once for every item in [0, items), from up to `threads` threads, in no order; returns when all are
/// done. `work` must not throw.
template <typename Work> void parallelFor(uint32_t threads, uint64_t items, Work work) {
  std::atomic<uint64_t> next{0};
  auto drain = [&] {
    for (uint64_t item; (item = next.fetch_add(1, std::memory_order_relaxed)) < items;)
      work(item);
  };
  std::vector<std::thread> others;
  for (uint32_t t = 1; t < threads && t < items; ++t)
    others.emplace_back(drain);
  drain();
  for (std::thread &thread : others)
    thread.join();
}

} // namespace ft::rt
