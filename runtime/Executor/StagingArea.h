// Where batch records wait for the device and outputs wait for the host: the plan's arena "staging".
#pragma once

#include "runtime/Executor/Arenas.h"
#include "runtime/Plan/Staging.h"

namespace ft::rt {

/// Two batch records, filled in turns, and two output records. The host fills record `slot()` while the device may
/// still read the other; `advance` moves on. The executor guards both with events.
class StagingArea {
public:
  /// Of a plan that checkPlan accepts: it has the arena, large enough.
  StagingArea(const plan::Plan &plan, const Arenas &arenas)
      : plan(&plan), layout(plan::stagingLayout(plan)), base(arenas.arenaAddress("staging")) {}

  uint32_t slot() const { return current; }
  void advance() { current ^= 1; }
  /// Host address of an input in the current record; null where the plan has no such input.
  void *input(plan::BatchInput::Kind kind) const;
  /// Host address in the current record of byte `offset` of an input buffer; null where no input lies there.
  const char *staged(uint32_t buffer, uint64_t offset) const;

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
  char *base = nullptr;
  uint32_t current = 0, ring = 0;
};

} // namespace ft::rt
