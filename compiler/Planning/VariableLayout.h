// Where variables lie: frozen weights in groups that one GEMM reads, others in buffers of their own, and members of
// buckets in these.
#pragma once

#include "dialects/Dist/Dist.h"
#include "dialects/Ft/Ft.h"
#include "dialects/Plan/PlanDialect.h"
#include "dialects/TypeBytes.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"

#include <vector>

namespace ft {

/// A strided two-dimensional place in a buffer: rows × columns elements at `pitch` elements from row to row. A tensor
/// of rank 1 is one row.
struct Place {
  mlir::FlatSymbolRefAttr buffer;
  int64_t offsetBytes = 0;
  int64_t rows = 1, columns = 0, pitch = 0;
  mlir::Type elementType;
  llvm::SmallVector<int64_t, 2> rankPitch; ///< bytes further along each axis of the mesh; empty: the same on all ranks
  bool host = false;                       ///< in memory of the host

  bool operator==(const Place &) const = default;
  int64_t elementBytes() const { return ft::elementBytes(elementType); }
  /// rows × columns at (row, column) inside this place.
  Place slice(int64_t row, int64_t rowCount, int64_t column, int64_t columnCount) const {
    Place p = *this;
    p.offsetBytes += (row * pitch + column) * elementBytes();
    p.rows = rowCount;
    p.columns = columnCount;
    return p;
  }
  /// True where `next` continues this place downwards: same columns and pitch, its rows directly below.
  bool isAbove(const Place &next) const {
    return buffer == next.buffer && elementType == next.elementType && columns == next.columns && pitch == next.pitch &&
           offsetBytes + rows * pitch * elementBytes() == next.offsetBytes;
  }
  /// True where `next` continues this place to the right: same rows and pitch, its columns directly behind.
  bool isLeftOf(const Place &next) const {
    return buffer == next.buffer && elementType == next.elementType && rows == next.rows && pitch == next.pitch &&
           pitch >= columns + next.columns && offsetBytes + columns * elementBytes() == next.offsetBytes;
  }
};

/// The place of a tensor of `type` from element `offset` of a flat `bucket` on; `pitch`: its own, 0 where it is dense.
Place memberPlace(const Place &bucket, int64_t offset, mlir::Type type, int64_t pitch = 0);
inline Place memberPlace(const Place &bucket, model::ViewOp view) {
  return memberPlace(bucket, view.getOffset(), view.getType(), view.getPitch());
}

/// The place of a rank's own share, over `axes`, of a flat `whole`.
Place sharePlace(const Place &whole, dist::MeshOp mesh, llvm::ArrayRef<mlir::StringAttr> axes);

/// The place and version of every variable of a module. Whatever a step writes into a variable is the same version,
/// because variables are updated in place; all that a buffer starts with has one version.
class VariableLayout {
public:
  /// Creates the persistent arenas, their buffers and the parameter map at the end of `module`.
  ///
  /// `foldAdapters`: where adapters have working copies, they lie in the borders of their base weights (Borders.h).
  /// `pinMoments`: those on the host lie in page-locked memory, as masters always do, of which copies travel.
  static mlir::FailureOr<VariableLayout> create(mlir::ModuleOp module, bool foldAdapters, bool pinMoments = true);

  /// Adds a constant i32 table to the weights.
  void addTable(mlir::OpBuilder &builder, llvm::StringRef name, llvm::ArrayRef<int32_t> values);

  const Place &place(llvm::StringRef variable) const { return places.find(variable)->second; }
  int64_t version(llvm::StringRef variable) const { return versions.lookup(variable); }
  /// The place of all shares of a variable that is one of them; nothing where it lies in no whole.
  std::optional<Place> wholeAround(llvm::StringRef variable) const;
  /// The working copies at one place of equal borders, `variable` among them, at a constant distance from each other;
  /// none where it lies in no border.
  llvm::ArrayRef<model::VariableOp> borderedWith(llvm::StringRef variable) const;
  /// The variable of that name where it is quantised, else null. Its place is then that of its codes: in NF4 a row of
  /// bytes with the scales, in FP8 a matrix.
  model::VariableOp quantized(llvm::StringRef variable) const { return quantizedVariables.lookup(variable); }
  /// The scales of a variable in FP8, one row; their version is the variable's.
  const Place &scales(llvm::StringRef variable) const { return scalePlaces.find(variable)->second; }
  /// The first version number that no variable uses.
  int64_t firstFreeVersion() const { return nextVersion; }

private:
  friend class VariablePlacer;
  llvm::StringMap<Place> places, wholes, scalePlaces;
  llvm::StringMap<int64_t> versions;
  llvm::StringMap<model::VariableOp> quantizedVariables;
  std::vector<llvm::SmallVector<model::VariableOp>> borderCopies;
  llvm::StringMap<size_t> borderOf; ///< index into borderCopies
  int64_t nextVersion = 1;
};

} // namespace ft
