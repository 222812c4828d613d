// Which items a row-wise operation has: operations of one space can share a kernel.
#pragma once

#include "dialects/Ft/Ft.h"
#include "dialects/Kernel/Kernel.h"

#include <optional>

namespace ft {

struct RowSpace {
  enum class Kind {
    Rows,         ///< an item is a row of the tensors
    HeadGroups,   ///< an item is one head of k with its heads of q, of one token
    ColumnBlocks, ///< an item is a block of columns
  };
  Kind kind = Kind::Rows;
  int64_t items = 0;
  bool operator==(const RowSpace &) const = default;
};

/// The space of a row-wise operation; none for any other operation, and for a rope whose heads of q are no multiple of
/// its heads of k. A tensor of rank 1 is one row for ft.add and ft.cast.
std::optional<RowSpace> getRowSpace(mlir::Operation *op);

/// The operand is read one row an item, at the place where a result of the same type is written: it counts against the
/// registers of a kernel, and its memory can be reused. Other operands are weights, statistics, tables and scalars.
bool isRowOperand(mlir::OpOperand &operand);

/// The operation reduces a row to a scalar before its result is known, so that a kernel passes over the row twice.
bool reducesRow(mlir::Operation *op);

/// Columns in a block of kernel.column_sum: the largest divisor of `columns` up to 128.
int64_t getColumnBlock(int64_t columns);

} // namespace ft
