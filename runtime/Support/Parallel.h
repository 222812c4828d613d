// Threads for one pass over independent items: short-lived, started for it.
#pragma once

#include "runtime/Support/Status.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace ft::rt {

/// 0: as many as the machine has.
inline uint32_t threadCount(uint32_t requested) {
  return requested ? requested : std::max(1u, std::thread::hardware_concurrency());
}

/// Calls run() on `threads` threads, this one among them; returns when all have ended. A thread that the machine does
/// not give is done without. `run` must not throw.
template <typename Run> void onThreads(uint64_t threads, Run run) {
  std::vector<std::thread> others;
  try {
    for (uint64_t t = 1; t < threads; ++t)
      others.emplace_back(run);
  } catch (const std::system_error &) {
  }
  run();
  for (std::thread &thread : others)
    thread.join();
}

/// Calls work(item) once for every item in [0, items), from up to `threads` threads, in no order; returns when all are
/// done. `work` must not throw.
template <typename Work> void parallelFor(uint32_t threads, uint64_t items, Work work) {
  std::atomic<uint64_t> next{0};
  onThreads(std::min<uint64_t>(threads, items), [&] {
    for (uint64_t item; (item = next.fetch_add(1, std::memory_order_relaxed)) < items;)
      work(item);
  });
}

/// The same on all cores, with work(item) that may fail: then what has not begun is left out, and the Status is that of
/// the first item, in order, that failed.
template <typename Work> Status parallelUntilFailure(uint64_t items, Work work) {
  std::atomic<uint64_t> next{0}, firstFailed{items};
  std::mutex mutex;
  Status failure;
  onThreads(std::min<uint64_t>(threadCount(0), items), [&] {
    for (uint64_t item; (item = next++) < firstFailed;)
      if (Status status = work(item); !status.ok()) {
        std::lock_guard lock(mutex);
        if (item < firstFailed) {
          firstFailed = item;
          failure = std::move(status);
        }
      }
  });
  return failure;
}

/// Work on all cores between two parts that are not: take(), which gives an Expected<std::optional<Item>>, nothing at
/// the end, is called by one thread at a time, and so is give(item), in the order of the items, while work(item,
/// scratch) runs on all of them, each with a Scratch of its own. As many items are under way as there are cores. The
/// first Status, in the order of the items, that is not ok ends it all.
template <typename Scratch, typename Take, typename Work, typename Give>
Status inOrder(Take take, Work work, Give give) {
  std::mutex taking, giving;
  std::condition_variable nextTurn;
  uint64_t taken = 0, given = 0;
  std::atomic<bool> ended = false;
  Status result;
  onThreads(threadCount(0), [&] {
    Scratch scratch;
    while (true) {
      std::unique_lock takes(taking);
      if (ended)
        return;
      auto item = take();
      const uint64_t turn = taken;
      ended = ended || !item.ok() || !*item;
      if (item.ok() && !*item)
        return;
      ++taken;
      takes.unlock();
      Status status = item.ok() ? work(**item, scratch) : item.status();
      std::unique_lock gives(giving);
      nextTurn.wait(gives, [&] { return given == turn; });
      if (status.ok() && result.ok())
        status = give(std::move(**item));
      if (!status.ok() && result.ok()) {
        result = std::move(status);
        ended = true;
      }
      ++given;
      nextTurn.notify_all();
    }
  });
  return result;
}

} // namespace ft::rt
