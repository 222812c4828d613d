// What the operations of a segment ask of the places of its values (interface Placement).
#pragma once

#include "compiler/Planning/PlanningOptions.h"
#include "compiler/Planning/SegmentLayout.h"

namespace ft {

/// Wishes, collected from all operations before any is granted. SegmentLayout grants them in this order: borders; side
/// by side, in the segment's order; then what is wished for values that are free. A wish that contradicts an earlier
/// one is not granted, and none is granted for a value that lives in a variable: an operation looks at the places it
/// got when it emits steps.
struct PlaceRequests {
  const SegmentLayout &values; ///< storage and variables are assigned, transient places are not
  const PlanningOptions &options;

  /// `columns` behind each row of `value`.
  void border(mlir::Value value, int64_t columns) { borders.push_back({value, columns}); }
  /// As many columns behind each row of `value` as `like` has.
  void borderLike(mlir::Value value, mlir::Value like) { alike.push_back({value, like}); }
  /// One product reads or writes the columns of these as one matrix.
  void sideBySide(mlir::ValueRange matrices) { bundles.push_back(llvm::to_vector(matrices)); }
  /// One step takes these side by side, where no product decided how they lie.
  void sideBySideIfFree(mlir::ValueRange matrices) { ifFree.push_back({llvm::to_vector(matrices), false}); }
  /// One step takes these at one pitch: those that are free lie at that of the others, or, where all are, side by side;
  /// where several products decided how they lie, columns behind the rows of the narrower ones make up for it.
  void atOnePitch(mlir::ValueRange matrices) {
    ifFree.push_back({llvm::to_vector(matrices), true});
    level(matrices);
  }
  /// The pitch of these is one, wherever they lie.
  void level(mlir::ValueRange matrices) { levels.push_back(llvm::to_vector(matrices)); }
  /// These share a buffer with nothing but each other: no product has some of them side by side, but none or all.
  void together(mlir::ValueRange matrices) {
    for (mlir::Value value : matrices)
      groupOf[value] = {groups, matrices.size()};
    ++groups;
  }

  llvm::SmallVector<std::pair<mlir::Value, int64_t>> borders = {};
  llvm::SmallVector<std::pair<mlir::Value, mlir::Value>> alike = {};
  std::vector<llvm::SmallVector<mlir::Value>> bundles = {};
  std::vector<std::pair<llvm::SmallVector<mlir::Value>, bool>> ifFree = {}; ///< true: of those that are, at one pitch
  llvm::SmallVector<llvm::SmallVector<mlir::Value>> levels = {};
  llvm::DenseMap<mlir::Value, std::pair<int64_t, size_t>> groupOf{}; ///< number of the group, and how many are in it
  int64_t groups = 0;
};

} // namespace ft
