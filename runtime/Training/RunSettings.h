// Run-time values that a user may change without compiling: `ftrun --set name=value`.
#pragma once

#include "runtime/Plan/plan.pb.h"
#include "runtime/Support/Status.h"

#include <string_view>

namespace ft::rt {

/// Of a schedule, and of what happens every so many steps: as recipe.proto's max_steps.
inline constexpr uint64_t mostSteps = 1000000000;

/// Applies "name=value" to the run section; names are those of plan::Run, and generate.instruction, generate.input and
/// generate.max_new_tokens. Fails with BadInput, naming the field, the value and what is legal; a field of the recipe
/// that is fixed when a plan is compiled is refused as such by being unknown here.
Status applySetting(plan::Run &run, std::string_view assignment);

} // namespace ft::rt
