// What ftc says of a plan: memory, verdict, peak, predicted time. Reads the plan alone, so that `ftc check` of a recipe
// and `ftc explain` of its plan say the same.
#pragma once

#include "runtime/Plan/plan.pb.h"

#include <string>

namespace ft {

/// "12.34 GiB".
std::string gib(uint64_t bytes);

/// Target, batch, mesh, arenas with what lies outside, the peak with its largest values, predicted step time, notes.
std::string describe(const plan::Plan &plan);

/// One line: fits, with how much left, or does not, with how much over.
std::string verdict(const plan::Plan &plan);

} // namespace ft
