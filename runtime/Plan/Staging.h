// Layout of the arenas "staging" and "slots": what the compiler must reserve and where the runtime puts what.
#pragma once

#include "runtime/Plan/Kinds.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace ft::plan {

/// Arenas of the executor: no buffer lies in them.
inline constexpr char stagingArena[] = "staging", slotsArena[] = "slots";

/// A batch record is the image of the inputs in device memory: the bytes from the first input's buffer to the end of
/// the last one's. checkPlan has made sure that these lie in one arena with nothing else between them, so one copy
/// fills them all.
///
/// The PINNED arena "staging" holds two batch records, used in turns, behind them a ring of two output records (every
/// Output, in the order of Plan.outputs, each aligned to 64 bytes). A plan for CUDA has the DEVICE arena "slots" of
/// two batch records more: one is uploaded while a segment may still read the inputs.
struct StagingLayout {
  std::vector<uint64_t> inputOffsets;  ///< from the record's start, parallel to Plan.inputs
  std::vector<uint64_t> outputOffsets; ///< from the record's start, parallel to Plan.outputs
  uint32_t firstInput = 0;             ///< the buffer that begins the record
  uint64_t inputBytes = 0;             ///< of a batch record
  uint64_t inputRecordBytes = 0;       ///< from one batch record to the next: a multiple of 256
  uint64_t outputRecordBytes = 0;
  uint64_t stagingBytes = 0; ///< the least size of the arena "staging"
  uint64_t slotsBytes = 0;   ///< the least size of the arena "slots"
};

inline StagingLayout stagingLayout(const Plan &plan) {
  auto aligned = [](uint64_t bytes, uint64_t to) { return (bytes + to - 1) / to * to; };
  StagingLayout layout;
  auto buffer = [&](const BatchInput &input) -> const Buffer & { return plan.buffers(int(input.buffer())); };
  if (plan.inputs_size() > 0)
    layout.firstInput = plan.inputs(0).buffer();
  for (const BatchInput &input : plan.inputs())
    if (buffer(input).offset() < plan.buffers(int(layout.firstInput)).offset())
      layout.firstInput = input.buffer();
  for (const BatchInput &input : plan.inputs()) {
    layout.inputOffsets.push_back(buffer(input).offset() - plan.buffers(int(layout.firstInput)).offset());
    layout.inputBytes = std::max(layout.inputBytes, layout.inputOffsets.back() + buffer(input).size());
  }
  for (const Output &output : plan.outputs()) {
    layout.outputOffsets.push_back(layout.outputRecordBytes);
    layout.outputRecordBytes += aligned(outputBytes(plan.batch(), output.kind()), 64);
  }
  layout.inputRecordBytes = aligned(layout.inputBytes, 256);
  layout.slotsBytes = 2 * layout.inputRecordBytes;
  layout.stagingBytes = 2 * (layout.inputRecordBytes + layout.outputRecordBytes);
  return layout;
}

} // namespace ft::plan
