// Micro-batches of few targets.
#pragma once

#include "runtime/Plan/Kinds.h"

namespace ft::plan {

/// The feature that a plan with segments for them names.
inline constexpr std::string_view targetsFeature = "targets";

inline bool hasTargets(const Plan &plan) { return targetRows(plan.batch()) > 0; }

/// The segment for a micro-batch of which no rank has more than `targets` tokens with a target: `kind`, or where the
/// plan has one that is for so few, that.
inline Segment::Kind kindFor(const Plan &plan, Segment::Kind kind, uint64_t targets) {
  const Segment::Kind ofTargets = targetsKindOf(kind);
  const uint64_t bound =
      kind == Segment::EVALUATE ? plan.batch().max_eval_target_tokens() : plan.batch().max_target_tokens();
  return targets <= bound && has(plan, ofTargets) ? ofTargets : kind;
}

} // namespace ft::plan
