// How far long work has come, for whoever wants to see it.
#pragma once

#include <cstdint>
#include <string_view>

namespace ft::rt {

/// Hears of work that takes a while. Calls come one after the other, from any thread.
class WorkProgress {
public:
  virtual ~WorkProgress() = default;
  /// `what` ("tokenising") has come to `done` of `total` bytes; another `what` than before begins other work.
  virtual void at(std::string_view what, uint64_t done, uint64_t total) = 0;
};

} // namespace ft::rt
