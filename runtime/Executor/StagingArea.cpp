#include "runtime/Executor/StagingArea.h"

using namespace ft;
using namespace ft::rt;

void *StagingArea::input(plan::BatchInput::Kind kind) const {
  for (int i = 0; i < plan->inputs_size(); ++i)
    if (plan->inputs(i).kind() == kind)
      return base + current * layout.inputRecordBytes + layout.inputOffsets[i];
  return nullptr;
}

const char *StagingArea::staged(uint32_t buffer, uint64_t offset) const {
  for (int i = 0; i < plan->inputs_size(); ++i)
    if (plan->inputs(i).buffer() == buffer && offset < plan::batchInputBytes(plan->batch(), plan->inputs(i).kind()))
      return base + current * layout.inputRecordBytes + layout.inputOffsets[i] + offset;
  return nullptr;
}

char *StagingArea::output(int index, uint32_t slot) const {
  return base + 2 * layout.inputRecordBytes + slot * layout.outputRecordBytes + layout.outputOffsets[index];
}

const void *StagingArea::output(plan::Output::Kind kind, uint32_t slot) const {
  for (int i = 0; i < plan->outputs_size(); ++i)
    if (plan->outputs(i).kind() == kind)
      return output(i, slot);
  return nullptr;
}
