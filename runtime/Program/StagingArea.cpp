#include "runtime/Program/StagingArea.h"

using namespace ft;
using namespace ft::rt;

StagingArea::StagingArea(const plan::Plan &plan, const Arenas &arenas)
    : plan(&plan), layout(plan::stagingLayout(plan)), host(arenas.arenaAddress(plan::stagingArena)),
      slots(arenas.arenaAddress(plan::slotsArena)) {
  if (plan.inputs_size() > 0)
    device = arenas.bufferAddress(layout.firstInput);
}

void *StagingArea::input(plan::BatchInput::Kind kind) const {
  for (int i = 0; i < plan->inputs_size(); ++i)
    if (plan->inputs(i).kind() == kind)
      return record(current).data() + layout.inputOffsets[i];
  return nullptr;
}

char *StagingArea::output(int index, uint32_t slot) const {
  return host + 2 * layout.inputRecordBytes + slot * layout.outputRecordBytes + layout.outputOffsets[index];
}

const void *StagingArea::output(plan::Output::Kind kind, uint32_t slot) const {
  for (int i = 0; i < plan->outputs_size(); ++i)
    if (plan->outputs(i).kind() == kind)
      return output(i, slot);
  return nullptr;
}
