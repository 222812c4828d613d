// Threads of the host beside a GPU: what runs there of a plan waits for the GPU most of the time.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace ft::rt {

/// Threads that sleep until there is work, and take it in pieces: the cores are others' as well (data, drivers), so
/// that equal shares would end when the slowest does.
class HostTeam {
public:
  /// Of `threads` in all, the caller of run() among them; at least 1. The others stay on `processors`, by number; none:
  /// on those of the process.
  explicit HostTeam(uint32_t threads, const std::vector<int> &processors = {});
  HostTeam(const HostTeam &) = delete;
  HostTeam &operator=(const HostTeam &) = delete;
  ~HostTeam();

  uint32_t threads() const { return static_cast<uint32_t>(members.size()) + 1; }

  /// Calls body(begin, end) for ranges that together are [0, items), and returns when all are done. One caller at a
  /// time.
  void run(int64_t items, const std::function<void(int64_t, int64_t)> &body);

private:
  void work();
  void takePieces();

  std::vector<std::thread> members;
  std::mutex mutex;
  std::condition_variable begun, done;
  uint64_t round = 0; ///< guarded by mutex, as are the next two
  size_t working = 0; ///< members that have not finished the round
  bool ending = false;
  const std::function<void(int64_t, int64_t)> *body = nullptr; ///< of the round, as are the next three
  int64_t items = 0, piece = 1;
  std::atomic<int64_t> next{0};
};

} // namespace ft::rt
