// What a user sees of long work in front of the steps.
#pragma once

#include "runtime/Metrics/Console.h"
#include "runtime/Support/WorkProgress.h"

#include <chrono>
#include <string>

namespace ft::rt {

/// A bar on a terminal, a line now and then elsewhere, and a line at the end; nothing of what takes no time.
class ProgressLine : public WorkProgress {
public:
  /// `console` outlives the object.
  explicit ProgressLine(Console &console) : console(console) {}
  void at(std::string_view what, uint64_t done, uint64_t total) override;

private:
  using Clock = std::chrono::steady_clock;
  Console &console;
  std::string work; ///< that `begin` belongs to
  Clock::time_point begin, shown;
};

/// "tokenising: 45 % of 2.00 GB, 24.3 MB/s, eta 0:45", and at the end "tokenising: 2.00 GB in 82.1 s, 24.3 MB/s".
std::string formatProgress(std::string_view what, uint64_t done, uint64_t total, double seconds);

} // namespace ft::rt
