// Several matrices moved by one launch.
#pragma once

#include "compiler/Fusion/Programs/Programs.h"

#include <vector>

namespace ft {

/// One matrix, or a batch of equal ones: target = source, converted, round to nearest even.
struct MatrixCopy {
  MatrixLayout source, target;
  MatrixBatch batch;

  bool operator==(const MatrixCopy &) const = default;
};

/// All of `copies`. Arguments: a source and a target for each. An item is a row of one of them, or an equal part of a
/// long row, so that the items of short rows need no more threads than they have elements.
RowProgram buildCopies(mlir::OpBuilder &builder, mlir::StringRef name, const std::vector<MatrixCopy> &copies);

} // namespace ft
