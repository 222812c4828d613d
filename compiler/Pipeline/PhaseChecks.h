// What a phase promises to the next, at each border between two languages. Operations' own verifiers check each
// operation; these check what is no longer there and what must be by now. Cost: one walk over the module.
//
// A check fails with an error on the operation that should not be, or is not yet, as it is: a fault of the compiler.
#pragma once

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// Behind Model. The module holds ft.variable and the segments alone, segments ft operations alone; what a checkpoint
/// or a seed fills (parameters, moments, tables, keys) has `init`. checkTrainingModule has the rest.
mlir::LogicalResult checkModel(mlir::ModuleOp module);

/// Behind Sharding. All types are one rank's: no dist.constraint or dist.reshard and no sharding on an operation is
/// left, and a variable that is split has the part of its global type that its sharding gives. On one rank nothing of
/// dist is left. What checkTrainingModule says still holds.
mlir::LogicalResult checkSharded(mlir::ModuleOp module);

/// Behind Fusion. In segments that touch tokens each row-wise operation but ft.cast, which Planning merges over
/// buckets, is in a kernel.fused, and nothing else is.
mlir::LogicalResult checkKernel(mlir::ModuleOp module);

/// Behind Planning. The module holds plan operations and kernel.func alone, segments steps alone; every buffer has an
/// offset, and the streams have names.
mlir::LogicalResult checkPlan(mlir::ModuleOp module);

} // namespace ft
