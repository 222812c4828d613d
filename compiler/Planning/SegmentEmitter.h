// From the operations of one segment to its steps.
#pragma once

#include "compiler/Planning/StepEmitter.h"

namespace ft {

/// Emits all steps of `segment` into a new plan.segment at `builder`'s insertion point, and transient buffers in front
/// of it. Fails with an error on the operation that has no steps.
mlir::LogicalResult emitSegment(mlir::func::FuncOp segment, const VariableLayout &variables, mlir::OpBuilder &builder,
                                KernelPool &kernels, KernelPool &hostKernels, const PlanningOptions &options,
                                int64_t &nextVersion);

} // namespace ft
