// dist-sum-shares: where a rank keeps its share of gradients alone, micro-batches are added there.
#pragma once

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// In @accumulate_next, and in @accumulate_next_targets, takes the start out of the sums that a bucket of gradients is
/// assembled from, so that what is assembled is the micro-batch's own, and adds it to what the bucket holds
/// (ft.accumulate): between both the ranks reduce it to shares. Gradients outside of buckets are left to
/// dist-propagate, which splits their additions off.
void sumShares(mlir::ModuleOp module);

} // namespace ft
