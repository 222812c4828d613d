#pragma once

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// PyTorch DDP's bucket_cap_mb: large enough that a link is full, small enough that the first bucket leaves early.
inline constexpr int64_t defaultBucketBytes = 25 << 20;

/// dist-form-buckets: merges the reductions of gradients into buckets of at most `bytes` (a larger gradient is a bucket
/// of its own), in the order in which they are ready.
void formBuckets(mlir::ModuleOp module, int64_t bytes);

} // namespace ft
