// checkPlan: segments for micro-batches of few targets.
#include "runtime/Plan/CheckParts.h"
#include "runtime/Plan/Kinds.h"
#include "runtime/Plan/Targets.h"

#include <algorithm>

namespace ft::rt::check {

namespace {

using plan::BatchInput;
using plan::Segment;

std::string name(Segment::Kind kind) { return Segment::Kind_Name(kind); }

bool isOfTargets(BatchInput::Kind kind) {
  return kind == BatchInput::TARGET_ROWS || kind == BatchInput::TARGET_LABELS || kind == BatchInput::TARGET_SLOTS;
}

/// The bound of the segment's micro-batches, and the field that says it.
std::pair<uint64_t, const char *> boundOf(const plan::Batch &batch, Segment::Kind kind) {
  if (kind == Segment::EVALUATE_TARGETS)
    return {batch.max_eval_target_tokens(), "max_eval_target_tokens"};
  return {batch.max_target_tokens(), "max_target_tokens"};
}

/// Rows behind those that a segment receives it does not know: what the host counts by must be what it takes.
Status receives(const plan::Plan &plan, const Segment &segment) {
  const auto [bound, field] = boundOf(plan.batch(), segment.kind());
  const uint64_t bytes = bound * plan::dtypeBytes(plan::I32);
  bool rows = false;
  for (const plan::Step &step : segment.steps())
    for (const plan::Operand &dst : step.receive().dst())
      for (const BatchInput &input : plan.inputs()) {
        if (input.buffer() != dst.buffer() ||
            (input.kind() != BatchInput::TARGET_ROWS && input.kind() != BatchInput::TARGET_LABELS))
          continue;
        rows |= input.kind() == BatchInput::TARGET_ROWS;
        const uint64_t taken = std::max<uint64_t>(1, dst.batch()) * dst.rows() * dst.row_bytes();
        if (taken != bytes)
          return bad("{} receives {} bytes of {}; must be {}, for batch.{} {}", name(segment.kind()), taken,
                     BatchInput::Kind_Name(input.kind()), bytes, field, bound);
      }
  return rows ? Status() : bad("{} does not receive TARGET_ROWS, which it is for", name(segment.kind()));
}

/// A segment for few targets stands beside the one for all, and exactly where the batch has a bound.
Status pairs(const plan::Plan &plan) {
  for (Segment::Kind whole : {Segment::ACCUMULATE_FIRST, Segment::FINISH_FIRST, Segment::ACCUMULATE_NEXT,
                              Segment::ACCUMULATE_LAST, Segment::EVALUATE}) {
    const Segment::Kind kind = plan::targetsKindOf(whole);
    const auto [bound, field] = boundOf(plan.batch(), kind);
    if (plan::has(plan, kind) && (bound == 0 || !plan::has(plan, whole)))
      return bad("has {}, which stands beside {} where batch.{} is not 0; it is {}", name(kind), name(whole), field,
                 bound);
    if (!plan::has(plan, kind) && bound > 0 && plan::has(plan, whole))
      return bad("has {} and no {}, and batch.{} is {}", name(whole), name(kind), field, bound);
  }
  return {};
}

} // namespace

Status targets(const plan::Plan &plan) {
  FT_RETURN_IF_ERROR(pairs(plan));
  for (const BatchInput &input : plan.inputs())
    if (isOfTargets(input.kind()) && plan::targetRows(plan.batch()) == 0)
      return bad("has the input {}, and no bound on targets", BatchInput::Kind_Name(input.kind()));
  for (const Segment &segment : plan.segments())
    if (plan::wholeKindOf(segment.kind()) != segment.kind())
      FT_RETURN_IF_ERROR(receives(plan, segment));
  return {};
}

} // namespace ft::rt::check
