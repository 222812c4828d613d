// What the steps of a segment take, measured where they run.
#pragma once

#include "runtime/Device/Device.h"

#include <map>
#include <string>
#include <vector>

namespace ft::rt {

/// Milliseconds and calls of one group of steps.
struct ProfileEntry {
  double ms = 0, flops = 0, bytes = 0, predictedMs = 0;
  uint64_t calls = 0;
};
/// By "kind" and by "kind/name of the kernel"; what stream 0 waits for, or runs itself, by "exposed/KIND OF COLLECTIVE"
/// and by that and the step behind it.
using Profile = std::map<std::string, ProfileEntry>;

/// Puts stamps between the steps of one segment. Where a graph holds the segment, it holds the stamps as well: the
/// steps follow each other as in training, and the host's part in starting them is not measured.
class StepTimer {
public:
  /// How many events the stamps of any segment take at most. Segments share them: each is collected before the next
  /// runs.
  static uint32_t eventsNeeded(const plan::Plan &plan);

  /// `steps` of `plan` in the order in which they are enqueued; stamps are the events from `firstEvent`.
  StepTimer(const plan::Plan &plan, std::vector<const plan::Step *> steps, uint32_t firstEvent, Profile &into);

  /// Around the work of step `index`, behind what it waits for.
  Status begin(size_t index, Device &device) const;
  Status end(size_t index, Device &device) const;
  /// Adds the run that was enqueued last, once the device is done with it.
  Status collect(Device &device) const;

private:
  struct Span {
    uint32_t from, to;
    bool stampsBegin;                       ///< `from` is no other step's end
    uint32_t idle = 0, ready = 0;           ///< stream 0 does nothing else between these
    std::string collective = std::string(); ///< than to wait for this kind, or to run it; or empty
  };
  /// Events that mark the ends of collectives -> their kinds; the last step's end on each stream.
  struct Before {
    std::map<uint32_t, std::string> arrivals;
    std::map<uint32_t, uint32_t> ends;
  };
  static void findExposed(Span &span, const plan::Step &step, const Before &before);
  const plan::Plan *plan;
  std::vector<const plan::Step *> steps;
  std::vector<Span> spans;
  Profile *profile;
};

} // namespace ft::rt
