// Happens-before among the steps of one segment: a vector clock a stream, a copy of one an event.
#pragma once

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace ft::rt {

/// Streams run their steps in order; an event, recorded behind a step, has happened when that step and all that it
/// waited for have finished. Steps are issued in the order of the segment's list, so a wait sees the latest record
/// before it.
class StreamClocks {
public:
  explicit StreamClocks(int streams) : clocks(size_t(streams)) { startSegment(); }

  void startSegment() {
    events.clear();
    for (Clock &clock : clocks)
      clock = {std::vector<int32_t>(clocks.size(), 0), false};
    if (!clocks.empty())
      clocks[0].afterStart = true;
  }

  /// The next step's place in its stream.
  int32_t position(uint32_t stream) const { return clocks[stream].finished[stream]; }
  /// Whether the step at `position` of `stream` has finished when the next step of `observer` starts.
  bool finished(uint32_t stream, int32_t position, uint32_t observer) const {
    return position < clocks[observer].finished[stream];
  }
  /// Whether the next step of `stream` starts after all earlier segments, which stream 0 alone does by itself, and
  /// others through events that are recorded with `forks`.
  bool forked(uint32_t stream) const { return clocks[stream].afterStart; }

  /// False if nothing has recorded the event in this segment.
  bool wait(uint32_t stream, uint32_t event) {
    const auto found = events.find(event);
    if (found == events.end())
      return false;
    Clock &clock = clocks[stream];
    clock.afterStart |= found->second.afterStart;
    for (size_t i = 0; i < clock.finished.size(); ++i)
      clock.finished[i] = std::max(clock.finished[i], found->second.finished[i]);
    return true;
  }

  /// Ends the step of `stream`, and records `event` behind it unless that is 0.
  void finish(uint32_t stream, uint32_t event, bool forks) {
    ++clocks[stream].finished[stream];
    if (event == 0)
      return;
    events[event] = clocks[stream];
    events[event].afterStart &= forks;
  }

private:
  struct Clock {
    std::vector<int32_t> finished; ///< how many steps of each stream
    bool afterStart = false;
  };
  std::vector<Clock> clocks;
  std::unordered_map<uint32_t, Clock> events;
};

} // namespace ft::rt
