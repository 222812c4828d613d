// Where a device is in what was enqueued on it: the host sees nothing of what runs inside a graph.
#pragma once

#include "runtime/Communication/Progress.h"

#include <string>
#include <string_view>
#include <vector>

namespace ft::rt {

/// Words of host memory that the device writes on its way, in the order of its streams.
struct TrailWords {
  uint32_t segment = 0;    ///< Trail::segmentWord; 0: none runs
  uint32_t collective = 0; ///< Trail::in or Trail::behind; 0: none has begun in this segment
};

/// Reads them. What is written is baked into graphs and the same in each replay, but for the segment's word.
class Trail {
public:
  explicit Trail(const TrailWords *words) : words(words) {}

  /// `run` counts the runs of segments: two of a kind in one step differ in it.
  static uint32_t segmentWord(uint64_t step, uint32_t run, int segment) {
    return uint32_t(step << stepShift) | (run % runs) << runShift | uint32_t(segment);
  }
  static uint32_t in(uint32_t handle) { return 2 * handle + 1; }
  static uint32_t behind(uint32_t handle) { return 2 * handle + 2; }

  /// The collective with the next handle. Before anybody reads.
  void add(std::string_view name) { names.emplace_back(name); }
  /// Where the device is, where it runs a segment; `host`: where the host is, whose step is the same or a little later.
  Progress::Place place(const Progress::Place &host) const;

private:
  static constexpr uint32_t runShift = 4, runs = 256, stepShift = 12;

  const TrailWords *const words;
  std::vector<std::string> names;
};

} // namespace ft::rt
