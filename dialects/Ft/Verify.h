// What the verifiers of the ft dialect share. The labels (C1), (C2), ... are those of the descriptions in FtOps.td.
#pragma once

#include "dialects/Ft/Ft.h"

namespace ft::model {

inline mlir::RankedTensorType tensorType(mlir::Value value) {
  return llvm::cast<mlir::RankedTensorType>(value.getType());
}
inline int64_t dim(mlir::Value value, unsigned index) { return tensorType(value).getDimSize(index); }
inline mlir::Type elementType(mlir::Value value) { return tensorType(value).getElementType(); }
inline llvm::ArrayRef<int64_t> shape(mlir::Value value) { return tensorType(value).getShape(); }

/// From the first to the last element of a tensor in a bucket, both counted; `pitch` is a matrix's, 0 where it is
/// dense.
inline int64_t elementsWithin(mlir::RankedTensorType type, int64_t pitch) {
  return pitch == 0 || type.getRank() != 2 ? type.getNumElements()
                                           : (type.getDimSize(0) - 1) * pitch + type.getDimSize(1);
}

/// Fails with "(label) <what> is <actual>; must be <expected>" unless both are equal.
mlir::LogicalResult checkEqual(mlir::Operation *op, llvm::StringRef label, llvm::StringRef what, int64_t actual,
                               int64_t expected);
mlir::LogicalResult checkShape(mlir::Operation *op, llvm::StringRef label, llvm::StringRef what, mlir::Value value,
                               llvm::ArrayRef<int64_t> expected);
mlir::LogicalResult checkSameType(mlir::Operation *op, llvm::StringRef label, llvm::StringRef what, mlir::Value value,
                                  mlir::Value other);
mlir::LogicalResult checkElement(mlir::Operation *op, llvm::StringRef label, llvm::StringRef what, mlir::Value value,
                                 mlir::Type expected);
/// Fails unless low <= value < high, or low <= value where high is infinite.
mlir::LogicalResult checkRange(mlir::Operation *op, llvm::StringRef label, llvm::StringRef what, double value,
                               double low, double high);

} // namespace ft::model
