// How long a device takes for a segment, and how much of that it waits for other ranks.
#pragma once

#include "runtime/Communication/Progress.h"
#include "runtime/Device/Device.h"

#include <vector>

namespace ft::rt {

/// Stamps on stream 0, where the device computes: around the segment, around what waits there for a collective on
/// another stream, and around collectives there. Where a graph holds the segment, it holds the stamps as well.
class ExchangeTimer {
public:
  /// How many events the stamps of a segment take at most.
  static uint32_t eventsNeeded(const plan::Segment &segment);

  /// `steps` of the segment in the order in which they are enqueued; stamps are the events from `firstEvent`.
  ExchangeTimer(const plan::Segment &segment, const std::vector<const plan::Step *> &steps, uint32_t firstEvent);

  Status beginSegment(Device &device) const { return device.stamp(0, first); }
  Status endSegment(Device &device) const { return device.stamp(0, last); }
  /// Around what step `index` waits for, and around its work.
  Status beginWait(size_t index, Device &device) const { return stamp(spans[index].beginWait, device); }
  Status endWait(size_t index, Device &device) const { return stamp(spans[index].endWait, device); }
  Status endWork(size_t index, Device &device) const { return stamp(spans[index].endWork, device); }

  /// Of the last run, with which the device is done.
  Expected<Progress::Times> read(Device &device) const;

private:
  struct Span {
    uint32_t beginWait = 0, endWait = 0, endWork = 0; ///< 0: not stamped
  };
  static Status stamp(uint32_t event, Device &device) { return event ? device.stamp(0, event) : Status(); }

  uint32_t first, last;
  std::vector<Span> spans;
};

} // namespace ft::rt
