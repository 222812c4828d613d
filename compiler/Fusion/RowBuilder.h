// A builder with the vocabulary of row programs: rows (one-dimensional vectors) and scalars in a compute type.
#pragma once

#include "compiler/Fusion/RowProgram.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/TypeUtilities.h"

namespace ft {

/// Arithmetic takes two rows of one length, two scalars, or a row and a scalar, which is broadcast.
class RowBuilder : public mlir::ImplicitLocOpBuilder {
public:
  using ImplicitLocOpBuilder::ImplicitLocOpBuilder;

  //===-- constants ----------------------------------------------------------------------------------------------===//
  mlir::Value index(int64_t value);
  mlir::Value integer(int64_t value, mlir::Type type);
  /// A float constant of a scalar type or of a row type (every element).
  mlir::Value number(double value, mlir::Type type);

  //===-- memory -------------------------------------------------------------------------------------------------===//
  /// `length` elements from `indices` on, converted to `element`.
  mlir::Value loadRow(mlir::Value memref, mlir::ValueRange indices, int64_t length, mlir::Type element);
  /// Stores a row, converted to the memory's element type.
  void storeRow(mlir::Value row, mlir::Value memref, mlir::ValueRange indices);
  /// One element, converted to `element` (of a float memory only; null: as it is).
  mlir::Value loadScalar(mlir::Value memref, mlir::ValueRange indices, mlir::Type element = {});
  void storeScalar(mlir::Value scalar, mlir::Value memref, mlir::ValueRange indices);
  /// One element of an i32 memory as an index.
  mlir::Value loadIndex(mlir::Value memref, mlir::ValueRange indices);

  //===-- arithmetic ---------------------------------------------------------------------------------------------===//
  mlir::Value add(mlir::Value a, mlir::Value b);
  mlir::Value sub(mlir::Value a, mlir::Value b);
  mlir::Value mul(mlir::Value a, mlir::Value b);
  mlir::Value div(mlir::Value a, mlir::Value b);
  mlir::Value exp(mlir::Value a);
  mlir::Value log(mlir::Value a);
  mlir::Value sqrt(mlir::Value a);
  mlir::Value negate(mlir::Value a);
  /// 1 / (1 + e^−x); e^−x may overflow to infinity, the result is then exactly 0.
  mlir::Value sigmoid(mlir::Value x);
  /// Sum and maximum of a row, a scalar of its element type.
  mlir::Value sum(mlir::Value row);
  mlir::Value max(mlir::Value row);
  /// A row or scalar of float element type in another float type, round to nearest even.
  mlir::Value convert(mlir::Value value, mlir::Type element);
  mlir::Value broadcast(mlir::Value scalar, int64_t length);
  /// 0, 1, 2, … as a row of i32.
  mlir::Value lanes(int64_t length);
  mlir::Value select(mlir::Value condition, mlir::Value ifTrue, mlir::Value ifFalse);

private:
  /// Broadcasts the scalar of the two, if one is a row.
  void match(mlir::Value &a, mlir::Value &b);
};

/// The memory of a matrix, and of a vector; codes of 8 bits are bytes there.
mlir::MemRefType getMemory(const MatrixLayout &matrix);
mlir::MemRefType getMemory(mlir::Type element, mlir::ArrayRef<int64_t> shape, int64_t pitch = 0);
/// The number of elements of a row, 0 for a scalar.
int64_t getLength(mlir::Value value);

} // namespace ft
