// Which items a row-wise operation has: operations of one space can share a kernel.
#pragma once

#include "dialects/Ft/Ft.h"
#include "dialects/Kernel/Kernel.h"

#include <optional>

namespace ft {

struct RowSpace {
  enum class Kind {
    Rows,         ///< an item is a row of the tensors
    Runs,         ///< an item is a run of columns of a row: one head
    HeadGroups,   ///< an item is one head of k with its heads of q, of one token
    ColumnBlocks, ///< an item is a block of columns
  };
  Kind kind = Kind::Rows;
  int64_t items = 0;
  bool operator==(const RowSpace &) const = default;
};

/// What the operation answers as RowWise; none for an operation that is not.
std::optional<RowSpace> getRowSpace(mlir::Operation *op);

/// What the operand's operation answers as RowWise; false for one that is not.
bool isRowOperand(mlir::OpOperand &operand);

/// The rows of a matrix as items; a tensor of rank 1 is one row.
RowSpace getRowsOf(mlir::Value tensor);

/// The same where an item is a run of `length` columns of a row, which may be all of them.
RowSpace getRunsOf(mlir::Value matrix, int64_t length);

/// Columns in a block of kernel.column_sum: the largest divisor of `columns` up to 128.
int64_t getColumnBlock(int64_t columns);

} // namespace ft
