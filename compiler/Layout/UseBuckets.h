// Rewrites a training module so that segments work on buckets.
#pragma once

#include "compiler/Layout/FormBuckets.h"

namespace ft {

/// Declares the flat variables of `buckets`, which `ranks` may share in equal parts, gives their members places in
/// them, and rewrites all segments; see layOut.
mlir::LogicalResult useBuckets(mlir::ModuleOp module, llvm::ArrayRef<Bucket> buckets, int64_t ranks);

} // namespace ft
