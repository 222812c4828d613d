// What would fit where a recipe does not.
#pragma once

#include "compiler/Pipeline/Pipeline.h"

namespace ft {

/// Changes of the recipe behind `inputs` that fit, as --set takes them, one a line: each was planned, none is guessed.
/// `tooLarge` is the plan that does not fit. Cost: one planning per way; nothing is read again.
std::string waysOut(const plan::Plan &tooLarge, const Inputs &inputs);

} // namespace ft
