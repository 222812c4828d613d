// The meaning of Verify.h, byte by byte: what the tests hold verifyPlan against.
#pragma once

#include "runtime/Plan/plan.pb.h"

namespace ft::rt::test {

/// Whether the plan is legal on every rank. One record a byte, a search of the graph of steps for every order, a walk
/// through all orders of segments from each state that one leaves; shares nothing with the verifier but the walk over
/// operands. Without `complete`, a segment may end with streams that stream 0 has not waited for.
bool isLegalPlan(const plan::Plan &plan, bool complete);

} // namespace ft::rt::test
