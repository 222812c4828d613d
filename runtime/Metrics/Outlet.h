// Text for people, whom the work does not wait for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <sys/types.h>

namespace ft::rt {

/// Writes to a descriptor whose reader may stand still: a terminal that was paused (Ctrl-S), a pager, a connection
/// that hangs. What nobody takes now waits in a room of fixed size, and what that has no place for is left out and
/// counted; nothing blocks before drain().
class Outlet {
public:
  static constexpr size_t roomBytes = size_t(256) << 10;
  /// Once asked to end, nobody waits longer than so for a reader.
  static constexpr int patienceMs = 1000;

  /// `descriptor` stays the caller's. `hurry`: whether the program was asked to end.
  explicit Outlet(int descriptor, std::function<bool()> hurry = {});
  /// Drains.
  ~Outlet();
  Outlet(const Outlet &) = delete;
  Outlet &operator=(const Outlet &) = delete;

  /// All of the text or, where there is no room, nothing of it.
  void put(std::string_view text);
  /// Whether nothing waits.
  bool isClear();
  /// Waits until all is written, the reader is gone, or the program is asked to end and patience is at an end.
  void drain();

private:
  ssize_t give(std::string_view text);
  void flush();

  const int descriptor;
  const std::function<bool()> hurry;
  int own = -1; ///< the same terminal, opened so that no write blocks
  bool isSocket = false, gone = false;
  std::string waiting;
  uint64_t leftOut = 0;
};

} // namespace ft::rt
