// What a row-wise operation sees while it emits its part of a row program (interface RowWise).
#pragma once

#include "compiler/Fusion/RowBuilder.h"
#include "compiler/Fusion/RowSpace.h"

#include "llvm/ADT/DenseMap.h"

namespace ft {

/// Values are named by the tensors of the kernel.fused body: its arguments are memory, results of its operations are
/// what was defined before. Stores wait until the whole row has been computed, so that an operand may share its memory
/// with a result.
class RowEmitter {
public:
  /// `memory` holds the memref of each argument of the fused body and of each value that it yields.
  RowEmitter(RowBuilder &builder, mlir::Value rowIndex, llvm::DenseMap<mlir::Value, mlir::Value> memory)
      : builder(builder), rowIndex(rowIndex), memory(std::move(memory)) {}

  RowBuilder &getBuilder() { return builder; }
  /// The number of the item, or of the row where an item loops over rows.
  mlir::Value getRowIndex() { return rowIndex; }
  /// The row of a [T, D] tensor (or all of a [D] one) at this item, in the element type `compute`.
  mlir::Value row(mlir::Value tensor, mlir::Type compute);
  /// The item's run of `length` columns of a [T, D] tensor (RowSpace::Kind::Runs), which may be the whole row.
  mlir::Value run(mlir::Value tensor, int64_t length, mlir::Type compute);
  /// A [D] tensor that every item reads whole.
  mlir::Value shared(mlir::Value tensor, mlir::Type compute);
  /// The element of a [T] tensor at this item, or of a [T, runs] one; `compute` null: as stored.
  mlir::Value scalar(mlir::Value tensor, mlir::Type compute = {});
  /// The memref of an argument, for reading at other places; null if the tensor is no argument.
  mlir::Value getMemory(mlir::Value tensor) { return memory.lookup(tensor); }

  /// The result's row, run or scalar at this item, rounded here to its element type.
  void define(mlir::Value result, mlir::Value computed);
  /// A piece of a result that has places of its own.
  void defineAt(mlir::Value result, mlir::ValueRange indices, mlir::Value row);
  /// Adds a row to the accumulator of a kernel.column_partials result.
  void accumulate(mlir::Value result, mlir::Value increment);

  /// Accumulators by result: the values before this row, replaced by those behind it.
  llvm::DenseMap<mlir::Value, mlir::Value> accumulators;
  /// Emits the stores that wait.
  void flush();

private:
  mlir::SmallVector<mlir::Value> indicesOf(mlir::Value tensor);
  /// Row and column of the item's run, where each of `columns / length` runs of a row is an item. Always the same
  /// values, so that loads and stores are seen to be of the same elements.
  mlir::SmallVector<mlir::Value> placeOfRun(int64_t columns, int64_t length);

  struct Store {
    mlir::Value value, memory;
    mlir::SmallVector<mlir::Value> indices;
  };
  RowBuilder &builder;
  mlir::Value rowIndex;
  llvm::DenseMap<mlir::Value, mlir::Value> memory;
  llvm::DenseMap<mlir::Value, mlir::Value> defined; ///< rows and scalars in storage type
  mlir::SmallVector<Store> stores;
  llvm::DenseMap<std::pair<int64_t, int64_t>, mlir::SmallVector<mlir::Value>> runs; ///< places by columns and length
};

/// The type that an operation computes in: f64 as soon as one of its tensors other than run-time scalars is f64.
mlir::Type getComputeType(mlir::Operation *op);

} // namespace ft
