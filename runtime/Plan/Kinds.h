// What plan.proto enumerates: names of kinds, and what goes with each. Said here and nowhere else; the compiler asks
// the same functions.
#pragma once

#include "runtime/Plan/plan.pb.h"

#include <string>
#include <string_view>
#include <vector>

namespace ft::plan {

//===-- segments -------------------------------------------------------------------------------------------------===//

/// A segment's name in the compiler's modules: its enumerator in lower case, "accumulate_first".
std::string segmentName(Segment::Kind kind);
/// The segment of that name; KIND_UNSPECIFIED where none is called so.
Segment::Kind segmentKind(std::string_view name);

/// What does the same as a segment for a micro-batch of few targets; KIND_UNSPECIFIED where there is no such kind.
Segment::Kind targetsKindOf(Segment::Kind kind);
/// What does the same for every micro-batch: of a segment for few targets the other one, else the kind itself.
Segment::Kind wholeKindOf(Segment::Kind kind);

/// What does the same as a step's first segment, and FINISH beside it; KIND_UNSPECIFIED where there is no such kind.
Segment::Kind finishingKindOf(Segment::Kind kind);

/// Does FINISH's part, alone or beside another.
inline bool finishes(Segment::Kind kind) {
  return kind == Segment::FINISH || wholeKindOf(kind) == Segment::FINISH_FIRST;
}

/// Adds a micro-batch's gradients to those of its step.
inline bool accumulates(Segment::Kind kind) {
  const Segment::Kind whole = wholeKindOf(kind);
  return whole == Segment::ACCUMULATE_FIRST || whole == Segment::FINISH_FIRST || whole == Segment::ACCUMULATE_NEXT ||
         whole == Segment::ACCUMULATE_LAST;
}

/// Works on a micro-batch, so it begins with a batch record.
inline bool runsOnTokens(Segment::Kind kind) {
  return accumulates(kind) || wholeKindOf(kind) == Segment::EVALUATE || kind == Segment::GENERATE;
}

/// Runs between steps, in any order and number, and leaves training as it was.
inline bool runsBetweenSteps(Segment::Kind kind) {
  return wholeKindOf(kind) == Segment::EVALUATE || kind == Segment::GENERATE || kind == Segment::SAVE;
}

/// Rows of a batch record that the segment works on: GENERATE takes the first.
inline uint64_t rowsOf(const Batch &batch, Segment::Kind kind) {
  return kind == Segment::GENERATE ? 1 : batch.micro_batch_size();
}

bool has(const Plan &plan, Segment::Kind kind);
/// The segment of a step's micro-batch `index`, of as many as the plan accumulates, where no update is to be finished.
Segment::Kind microBatchKind(const Plan &plan, uint64_t index);
/// How often the segment runs in one step of training, behind another, whose micro-batches are computed whole.
uint64_t runsPerStep(const Plan &plan, Segment::Kind kind);

/// Whether the segment may write buffers of a class.
bool mayWrite(Segment::Kind kind, Buffer::Class written);
/// Whether the host reads the output behind the segment, which must then emit it.
bool isReadBehind(Segment::Kind kind, Output::Kind output);

/// The feature that a plan with segments for it names.
inline constexpr std::string_view finishFeature = "finish";

//===-- inputs and outputs ---------------------------------------------------------------------------------------===//

/// The kind of that name, "SCALARS", "LOSS"; KIND_UNSPECIFIED where none is called so.
BatchInput::Kind inputKind(std::string_view name);
Output::Kind outputKind(std::string_view name);

/// Tokens with a target that a batch record names, of one rank's micro-batch; 0 where the plan has no segment for them.
uint64_t targetRows(const Batch &batch);

/// Bytes of one input of a micro-batch of `rows` rows; the tables of documents, segments and targets have one size.
uint64_t batchInputBytes(const Batch &batch, BatchInput::Kind kind, uint64_t rows);
inline uint64_t batchInputBytes(const Batch &batch, BatchInput::Kind kind) {
  return batchInputBytes(batch, kind, batch.micro_batch_size());
}
/// The host writes elements in [0, limit) into an input of indices, of a record of `rows` rows; labels may be −100 as
/// well. 0 for SCALARS, and for inputs of targets where a record names none.
uint64_t batchInputLimit(const Batch &batch, BatchInput::Kind kind, uint64_t rows);
/// Bytes of one output.
uint64_t outputBytes(const Batch &batch, Output::Kind kind);

//===-- steps and types ------------------------------------------------------------------------------------------===//

/// "launch", "gemm", …; "unknown" where the step's kind is none that this program knows.
const char *stepKindName(const Step &step);

/// What a launch runs, on whichever processor; null of other steps.
const Launch *launchOf(const Step &step);

/// What code for the host's processors is compiled for at least.
inline constexpr char hostArch[] = "x86-64-v3";
/// The kernels for the host or, else, for the device: indices into Plan.kernels.
std::vector<int> kernelsFor(const Plan &plan, bool host);

/// Bytes of one element; 0 for an unknown type, and for U4, whose elements share bytes.
uint64_t dtypeBytes(DType type);

} // namespace ft::plan
