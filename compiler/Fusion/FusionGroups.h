// The algorithm of kernel-fuse: which operations of a block run in one kernel, and in which order kernels run.
#pragma once

#include "mlir/IR/Block.h"

namespace ft {

struct FusionLimits {
  /// Tensors that one kernel reads or writes row by row: registers of a thread that holds its share of each.
  unsigned rowTensors = 8;
  /// Operations that may run later than they stand, so that a group can wait for one more member. Backward needs this
  /// many behind a norm that it makes again: the gradients of q, k and v are a product and a write each, on several
  /// ranks with a reduction's start and done between, 3 · 4. What hangs on a norm of the forward part, which must not
  /// wait, is all of backward: hundreds.
  unsigned delayed = 12;
};

/// Operations that run together, in the block's order. A group of one operation that is not row-wise stays as it is.
struct FusionGroup {
  mlir::SmallVector<mlir::Operation *> ops;
  bool rowWise = false;
};

/// Groups all operations of the block but its terminator; the result is in an order that respects values and, for each
/// variable, the order of its reads and writes.
mlir::SmallVector<FusionGroup> formFusionGroups(mlir::Block &block, const FusionLimits &limits = {});

} // namespace ft
