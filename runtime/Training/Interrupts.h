// SIGINT, SIGTERM, SIGHUP and the warnings of batch systems (SIGUSR1, SIGUSR2, SIGXCPU) as something that a loop can
// ask about.
#pragma once

#include "runtime/Support/Status.h"

#include <atomic>
#include <functional>
#include <memory>
#include <pthread.h>
#include <thread>

namespace ft::rt {

/// Counts the signals on a thread of its own, so that nothing runs inside a signal handler. Create it before any other
/// thread: threads inherit the mask that keeps the signals away from them.
class Interrupts {
public:
  /// `onSecond` runs on that thread at the second SIGINT or SIGTERM; it is meant to end the process. Before that the
  /// thread that called create is stopped for good (or 5 s have passed), so that it starts no file that nobody would
  /// finish. `onFirst` runs there at the first signal that counts, of any kind, and may end the process where it has
  /// made nothing yet.
  static Expected<std::unique_ptr<Interrupts>> create(
      std::function<void()> onSecond, std::function<void()> onFirst = [] {});
  ~Interrupts();
  Interrupts(const Interrupts &) = delete;
  Interrupts &operator=(const Interrupts &) = delete;

  /// True from the first signal on, unless that is a SIGHUP or a warning that the process was started to ignore.
  bool requested() const { return count.load(std::memory_order_relaxed) > 0 || asked.load(std::memory_order_relaxed); }
  /// Another process of the run was asked to end. It counts as no signal, for this process may get its own.
  void request() { asked.store(true, std::memory_order_relaxed); }

private:
  Interrupts(std::function<void()> onSecond, std::function<void()> onFirst)
      : onSecond(std::move(onSecond)), onFirst(std::move(onFirst)) {}
  void watch();
  void freezeCreator();

  std::function<void()> onSecond, onFirst;
  std::atomic<int> count{0};
  std::atomic<bool> frozen{false}, asked{false};
  pthread_t creator{};
  int signals = -1, stop = -1;
  std::thread thread;
};

} // namespace ft::rt
