// Linears with adapters whose weights, adapters included, lie in one buffer so that one GEMM reads them.
#pragma once

#include "dialects/Ft/Ft.h"

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// The weights of one linear and the working copies of its adapters as one matrix, for example of two of each:
///
///   W_0 B_0  0
///   W_1  0  B_1
///   A_0  0   0
///   A_1  0   0
///
/// A GEMM of [x | s] with the upper rows, transposed, is the linear with its adapters; one of [dy | ds] with the left
/// columns is its derivative. The zeros are never written: arenas start as zeros.
struct BorderedGroup {
  struct Part {
    model::VariableOp variable;
    int64_t offset; ///< elements from the group's start

    llvm::StringRef name() const { return model::VariableOp(variable).getSymName(); }
    mlir::RankedTensorType type() const { return model::VariableOp(variable).getTensorType(); }
  };
  llvm::SmallVector<Part> parts; ///< W_0 …, then A_0, B_0, A_1, B_1 …
  int64_t pitch = 0;             ///< elements from row to row
  int64_t rows = 0;

  /// True for a B, which begins behind a weight's columns.
  bool isBeside(const Part &part) const { return part.offset % pitch != 0; }
  mlir::Type elementType() const { return parts.front().type().getElementType(); }
  /// True where the parts are of the same types at the same offsets.
  bool isLike(const BorderedGroup &other) const;
};

/// Groups of one layout, most often those of one linear in all layers. They lie behind each other in one buffer, so
/// that a part of theirs is a batch of matrices at a constant distance.
struct BorderStack {
  llvm::SmallVector<BorderedGroup> groups;

  /// Elements from group to group: whole multiples of 256 bytes, as an arena aligns its buffers.
  int64_t distance() const;
};

/// The bordered groups of a module in the order of its linears. A linear has one where all of its weights are frozen
/// and not quantised, all adapters are working copies, and rows and ranks are whole vectors of 16 bytes.
llvm::SmallVector<BorderStack> findBorders(mlir::ModuleOp module);

} // namespace ft
