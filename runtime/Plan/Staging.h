// Layout of the arena "staging": what the compiler must reserve and where the runtime puts what.
#pragma once

#include "runtime/Plan/plan.pb.h"

#include <cstdint>
#include <vector>

namespace ft::plan {

/// The PINNED arena "staging" holds two batch records (every BatchInput at its full size, in the order of
/// Plan.inputs), used in turns, behind them a ring of two output records (every Output, in the order of
/// Plan.outputs). Each piece is aligned to 64 bytes. The compiler gives the arena at least `totalBytes`.
struct StagingLayout {
  std::vector<uint64_t> inputOffsets;  ///< from the record's start, parallel to Plan.inputs
  std::vector<uint64_t> outputOffsets; ///< from the record's start, parallel to Plan.outputs
  uint64_t inputRecordBytes = 0;
  uint64_t outputRecordBytes = 0;
  uint64_t totalBytes = 0;
};

/// Bytes of one input of a micro-batch.
inline uint64_t batchInputBytes(const Batch &batch, BatchInput::Kind kind) {
  const uint64_t tokens = batch.micro_batch_size() * batch.sequence_len();
  switch (kind) {
  case BatchInput::DOCUMENT_OFFSETS:
    return 4 * (batch.max_documents() + 1);
  case BatchInput::DOCUMENT_LENS:
    return 4 * batch.max_documents();
  case BatchInput::SEGMENT_STARTS:
    return 4 * (batch.max_segments() + 1);
  case BatchInput::SEGMENT_IDS:
    return 4 * batch.max_segments();
  case BatchInput::SCALARS:
    return 8 * SCALAR_COUNT;
  case BatchInput::ROW_INDEX:
    return 4;
  default:
    return 4 * tokens;
  }
}

/// Bytes of one output.
inline uint64_t outputBytes(const Batch &batch, Output::Kind kind) {
  switch (kind) {
  case Output::STATUS:
    return 16;
  case Output::LOGITS:
    return 4 * batch.vocab_size();
  default:
    return 8;
  }
}

/// The layout for these inputs and outputs (of a plan that is finished, or still being made).
template <typename Inputs, typename Outputs>
StagingLayout stagingLayout(const Batch &batch, const Inputs &inputs, const Outputs &outputs) {
  auto aligned = [](uint64_t bytes) { return (bytes + 63) / 64 * 64; };
  StagingLayout layout;
  for (const BatchInput &input : inputs) {
    layout.inputOffsets.push_back(layout.inputRecordBytes);
    layout.inputRecordBytes += aligned(batchInputBytes(batch, input.kind()));
  }
  for (const Output &output : outputs) {
    layout.outputOffsets.push_back(layout.outputRecordBytes);
    layout.outputRecordBytes += aligned(outputBytes(batch, output.kind()));
  }
  layout.totalBytes = 2 * (layout.inputRecordBytes + layout.outputRecordBytes);
  return layout;
}

inline StagingLayout stagingLayout(const Plan &plan) {
  return stagingLayout(plan.batch(), plan.inputs(), plan.outputs());
}

} // namespace ft::plan
