// From a kernel.fused and the memory layout of its operands and results to a kernel.func.
#pragma once

#include "compiler/Fusion/RowProgram.h"

namespace ft {

/// How one operand or result of a kernel.fused lies in memory.
struct RowOperand {
  mlir::Type elementType;
  mlir::SmallVector<int64_t> shape;
  int64_t pitch = 0;  ///< elements between rows; ignored for rank 1
  int64_t alias = -1; ///< of a result: the operand of the kernel.fused whose memory it overwrites, same layout

  bool operator==(const RowOperand &) const = default;
};

/// A row program for a kernel.fused. An aliased result has no argument of its own, its operand's is ReadWrite.
struct FusedProgram : RowProgram {
  /// For each operand, then each result: the number of its argument in `func`.
  mlir::SmallVector<int64_t> argumentOf;
};

/// Builds the program at the builder's insertion point. `operandsThenResults` describes each operand of `fused`, then
/// each result. Fails with an error on `fused` if a layout does not match its type, an alias is not one of
/// inPlaceCandidates, or the operations share no row space.
mlir::FailureOr<FusedProgram> buildRowProgram(mlir::OpBuilder &builder, mlir::StringRef name, kernel::FusedOp fused,
                                              mlir::ArrayRef<RowOperand> operandsThenResults);

/// Pairs (operand, result) that may share memory if both have the same layout: the program reads the operand's row
/// before it writes the result's, and no other item touches it. Any set of pairs without a repeated operand or result
/// may be chosen.
mlir::SmallVector<std::pair<int64_t, int64_t>> inPlaceCandidates(kernel::FusedOp fused);

} // namespace ft
