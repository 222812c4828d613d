#pragma once

#include "dialects/Dist/Dist.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace ft {

#define GEN_PASS_DECL
#include "compiler/Sharding/ShardingPasses.h.inc"

/// Registers --dist-annotate, --dist-propagate, --dist-partition, --dist-remove-trivial and --dist-overlap
/// with ft-opt. Its registry must have been given to registerSharding.
void registerShardingPasses();

} // namespace ft
