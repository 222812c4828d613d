// Pages of mapped files that are asked for before they are read.
#pragma once

#include "runtime/Weights/Producer.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ft::rt {

/// Items of work that are begun in their order, from several threads, and what each reads of mapped files. Reading a
/// page that is not in memory waits for the disk, and a disk answers many questions at a time as fast as one: so what
/// the next items read is asked for when one is begun. What is in memory is not: asking takes a quarter of the time
/// that copying does.
class ReadAhead {
public:
  using Parts = std::vector<std::span<const std::byte>>;

  explicit ReadAhead(std::vector<Parts> items);
  /// Items of `each` elements of one tensor of `count`.
  ReadAhead(const Producer &producer, uint64_t count, uint64_t each);

  /// While a thread works on an item.
  class Reading {
  public:
    Reading(ReadAhead &of, uint64_t item);
    ~Reading();
    Reading(const Reading &) = delete;
    Reading &operator=(const Reading &) = delete;

  private:
    ReadAhead &of;
    const uint64_t bytes; ///< that are said to be in memory
    const std::chrono::steady_clock::time_point start;
  };
  /// Item `index` begins.
  [[nodiscard]] Reading begin(uint64_t index);
  /// Item `index` has been read: its whole pages stop counting as the process's memory, until they are read again.
  void release(uint64_t index) const;

private:
  /// How far ahead: enough for the fastest disks, and little beside what is loaded.
  static constexpr uint64_t window = 64 << 20;

  std::vector<Parts> items;
  std::vector<uint64_t> ends; ///< bytes up to the end of each item
  std::atomic<uint64_t> asked{0};
  /// The system says of files of others that all is in memory: found out where it then takes long.
  std::atomic<bool> asksForAll{false};
};

} // namespace ft::rt
