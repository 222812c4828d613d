// Where batch records wait for the device and outputs wait for the host: the plan's arenas "staging" and "slots".
#pragma once

#include "runtime/Plan/Staging.h"
#include "runtime/Program/Arenas.h"

namespace ft::rt {

/// Streams and events behind the plan's own that a RankProgram uses.
struct ProgramQueues {
  uint32_t uploads = 0;             ///< the stream of batch records on their way to the device
  uint32_t arrived[2] = {};         ///< batch record 0, 1 is in its slot
  uint32_t taken[2] = {};           ///< the inputs hold what slot 0, 1 held
  uint32_t ring[2] = {};            ///< output record 0, 1 is complete
  uint32_t marks[3] = {};           ///< see RankProgram::mark
  uint32_t streams = 0, events = 0; ///< how many there are, the plan's included

  explicit ProgramQueues(const plan::Plan &plan) : events(plan.event_count()) {
    uploads = std::max(1, plan.streams_size());
    streams = uploads + 1;
    for (uint32_t *pair : {arrived, taken, ring})
      pair[0] = ++events, pair[1] = ++events;
    for (uint32_t &mark : marks)
      mark = ++events;
  }
};

/// Addresses of two batch records, filled in turns, and of two output records. The host fills record `turn()` while
/// the device may still read the other, which is the one submitted last; RankProgram guards both with events.
class StagingArea {
public:
  /// Of a plan that checkPlan accepts: it has the arenas, large enough.
  StagingArea(const plan::Plan &plan, const Arenas &arenas);

  uint32_t turn() const { return current; }
  uint32_t submitted() const { return current ^ 1; }
  void advance() { current ^= 1; }
  /// Host address of an input in the record of this turn; null where the plan has no such input.
  void *input(plan::BatchInput::Kind kind) const;

  /// Each record is `record(r).size()` contiguous bytes, as the inputs are on the device.
  std::span<char> record(uint32_t index) const { return {host + index * layout.inputRecordBytes, layout.inputBytes}; }
  char *inputs() const { return device; }
  /// Device address of the record's slot; null where the plan has no slots.
  char *slot(uint32_t index) const { return slots ? slots + index * layout.inputRecordBytes : nullptr; }

  /// Outputs are written to record `ringSlot` and read from it one step later.
  uint32_t ringSlot() const { return ring; }
  void advanceRing() { ring ^= 1; }
  /// Host address of output `index` of Plan.outputs in record `slot`.
  char *output(int index, uint32_t slot) const;
  /// The value in record `slot`: null where the plan has no such output.
  const void *output(plan::Output::Kind kind, uint32_t slot) const;

private:
  const plan::Plan *plan;
  plan::StagingLayout layout;
  char *host = nullptr, *device = nullptr, *slots = nullptr;
  uint32_t current = 0, ring = 0;
};

} // namespace ft::rt
