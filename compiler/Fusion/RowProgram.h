// What Fusion hands to Planning: a row program with its number of items and what it does to each argument.
#pragma once

#include "dialects/Kernel/Kernel.h"

namespace ft {

/// What a kernel does to the memory of one argument over all its items.
enum class Access {
  Read,
  Write,     ///< every element of the declared shape is written, none is read first
  ReadWrite, ///< read and written, or written in part
};

/// A kernel over items [0, items). Arguments of `func` (its item aside) carry one Access each.
struct RowProgram {
  kernel::FuncOp func;
  int64_t items = 0;
  mlir::SmallVector<Access> access;
};

/// A matrix in memory: `rows` × `columns` elements of `type`, row r at r · pitch elements.
struct MatrixLayout {
  mlir::Type type;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t pitch = 0;

  bool operator==(const MatrixLayout &) const = default;
};

/// The type that row kernels compute in: f64 for f64 storage, f32 for f32 and bf16 (docs/numerics.md).
mlir::Type getComputeType(mlir::Type storage);

} // namespace ft
