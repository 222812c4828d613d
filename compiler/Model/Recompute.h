// Values that backward makes again.
#pragma once

#include "compiler/Model/RecomputePolicy.h"

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// In @accumulate_first, and in @accumulate_first_targets, behind differentiation: what the policy of its layer says is
/// made again (the Remade interface) stands once more before its first user of the backward part, which reads that; and
/// what it says is parked travels to the host and back (ParkValues.h). The same bits; nothing else changes.
mlir::LogicalResult recompute(mlir::ModuleOp module, const RecomputePolicy &policy);

} // namespace ft
