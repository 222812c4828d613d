// The independent verifier: what every step reads is what the plan says, in every order that the plan allows.
#pragma once

#include "runtime/Plan/plan.pb.h"
#include "runtime/Support/Status.h"

namespace ft::rt {

/// Runs the declarations of a plan that checkPlan accepts (not its arithmetic) through
///
///   INITIALIZE · eval* · (ACCUMULATE_FIRST · ACCUMULATE_NEXT* · UPDATE · eval*)*,  eval = EVALUATE | GENERATE | SAVE
///
/// unrolled so that each segment meets each that may stand before it, and proves on exact byte regions, for every order
/// that this allows:
///  (V1) every byte that an operand reads was last written with exactly the version it names. Buffers with an
///       initial_version start written; the others, and buffers of class ACTIVATION and WORKSPACE at the end of each
///       segment, hold nothing. INPUT buffers hold nothing at the start of a segment other than UPDATE.
///  (V2) a read follows its write, an overwrite follows reads and writes of the same bytes, by the order of one
///       stream or by events; so the order of steps in the list is the only one that can be seen.
///  (V3) operands of one step share bytes only if none of them writes.
///  (V4) events are recorded before they are waited for, in the same segment. Streams other than 0 start a segment by
///       waiting for a step of stream 0 (in a captured segment: other than a receive, which precedes the graph), and
///       stream 0 has waited for all of them when it ends: segments follow each other.
///  (V5) only INITIALIZE and UPDATE write WEIGHT and OPTIMIZER_STATE, only INITIALIZE writes CONSTANT; EVALUATE,
///       GENERATE and SAVE do not write GRADIENT.
///
/// It trusts that steps touch what they declare: `ftrun --poison` tests that. Time is about a microsecond an operand
/// (20,000 steps: well below a second); geometry made to be slow is refused. BadInput, naming both steps.
Status verifyPlan(const plan::Plan &plan);

} // namespace ft::rt
