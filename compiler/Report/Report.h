// What ftc says of a compiled recipe: memory, verdict, peak, predicted time.
#pragma once

#include "compiler/Pipeline/Pipeline.h"

namespace ft {

/// "12.34 GiB".
std::string gib(uint64_t bytes);

/// Target, batch, mesh, arenas with what lies outside, the peak with its largest values, predicted step time.
std::string describe(const Compilation &compilation);

/// One line: fits, with how much left, or does not, with how much over.
std::string verdict(const Compilation &compilation);

/// Recipes that fit where this one does not: each was planned, none is guessed. Cost: one planning per way.
std::string waysOut(const Compilation &compilation, const CompileRequest &request);

} // namespace ft
