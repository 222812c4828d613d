// The arithmetic of reductions on CPU ranks.
#pragma once

#include "runtime/Plan/plan.pb.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace ft::rt {

/// Element i of every target = the reduction of element i of the sources, in their order, as plan.proto says. Types and
/// reductions as checkPlan allows them. A target may be a source.
void reduce(plan::DType dtype, plan::Collective::Reduction reduction, std::span<const std::byte *const> sources,
            std::span<std::byte *const> targets, uint64_t elements);

} // namespace ft::rt
