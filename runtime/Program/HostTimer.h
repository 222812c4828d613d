// What a segment has the host do beside the device, and how long the device waits for that.
#pragma once

#include "runtime/Device/Device.h"

#include <vector>

namespace ft::rt {

/// Of a segment, or of a step of training; milliseconds.
struct HostTimes {
  double updates = 0;                          ///< kernels on the host's processors
  double toHost = 0, toDevice = 0;             ///< copies between the device's memory and the host's
  uint64_t toHostBytes = 0, toDeviceBytes = 0; ///< that these moved
  double exposed = 0;                          ///< the device computed nothing, and waited for one of these
  HostTimes &add(const HostTimes &other, double times);
};

/// Stamps around what runs on the host, around copies to it and from it, and around what waits for either on stream 0,
/// where the device computes. Where a graph holds the segment, it holds the stamps as well. A wait that is also for a
/// collective is ExchangeTimer's.
class HostTimer {
public:
  /// `steps` of `plan` in the order in which they are enqueued; stamps are the events from `firstEvent`.
  HostTimer(const plan::Plan &plan, const std::vector<const plan::Step *> &steps, uint32_t firstEvent);
  /// How many events the stamps of a segment take.
  static uint32_t eventsNeeded(const plan::Plan &plan, const plan::Segment &segment);

  /// Ahead of what step `index` waits for, behind that, and behind its work.
  Status beginWait(size_t index, Device &device) const;
  Status endWait(size_t index, Device &device) const;
  Status endWork(size_t index, Device &device) const;

  /// Of the last run, with which the device is done. Where a call has done its work when it returns, on the CPU, all of
  /// it is exposed.
  Expected<HostTimes> read(Device &device) const;

private:
  enum class Work : uint8_t { Other, Update, ToHost, ToDevice };
  /// Events of one step; 0: not stamped.
  struct Span {
    uint32_t stream = 0;
    Work work = Work::Other;
    uint64_t bytes = 0;
    uint32_t waits = 0;            ///< ahead of the wait
    uint32_t begins = 0, ends = 0; ///< of the work; `begins` may be the end of the step before
    bool stampsBegin = false;
  };
  static Span spanOf(const plan::Plan &plan, const plan::Step &step);

  std::vector<Span> spans;
  uint32_t next; ///< behind the last event
};

} // namespace ft::rt
