// The independent verifier: what every step reads is what the plan says, in every order that the plan allows.
#pragma once

#include "runtime/Plan/plan.pb.h"
#include "runtime/Support/Status.h"

namespace ft::rt {

/// Runs the declarations of a plan that checkPlan accepts (not its arithmetic) through
///
///   INITIALIZE · eval* · (ACCUMULATE_FIRST · ACCUMULATE_NEXT* · UPDATE · eval*)*,  eval = EVALUATE | GENERATE | SAVE,
///
/// where a segment for few targets may run in the place of any that it stands beside,
///
/// unrolled so that each segment meets each that may stand before it, and proves on exact byte regions, for every order
/// that this allows:
///  (V1) every byte that an operand reads was last written with exactly the version it names. Buffers with an
///       initial_version start written; the others, and buffers of class ACTIVATION and WORKSPACE at the end of each
///       segment, hold nothing. INPUT buffers hold nothing at the start of a segment other than UPDATE.
///  (V2) a read follows its write, an overwrite follows reads and writes of the same bytes, by the order of one
///       stream or by events; so the order of steps in the list is the only one that can be seen.
///  (V3) operands of one step share bytes only if none of them writes, or if they are the whole of a collective and
///       exactly the rank's own part of it.
///  (V4) events are recorded before they are waited for, in the same segment. Streams other than 0 start a segment by
///       waiting for a step of stream 0 (in a captured segment: other than a receive, which precedes the graph), and
///       stream 0 has waited for all of them when it ends: segments follow each other.
///  (V5) only INITIALIZE and UPDATE write WEIGHT and OPTIMIZER_STATE, only INITIALIZE writes CONSTANT; EVALUATE,
///       GENERATE and SAVE do not write GRADIENT.
///  (V6) each collective of a segment starts after the one before it in the list has ended, by stream order or events:
///       all ranks run them in one order.
///
/// A segment's renames change versions when it begins. All this for each rank whose regions differ, up to 8; of more,
/// for those at coordinates 0, 1 and the last of each axis (RankRegions.h): regions move evenly with the coordinates,
/// but two of them may meet in between, which then is not seen.
///
/// That the memory of peers is right at a collective follows from the same proof for each of them, since all run the
/// same steps, and a collective touches no peer's memory behind its own end.
///
/// It trusts that steps touch what they declare: `ftrun --poison` tests that. Time is about a microsecond an operand
/// (20,000 steps: well below a second); geometry made to be slow is refused. BadInput, naming both steps.
Status verifyPlan(const plan::Plan &plan);

} // namespace ft::rt
