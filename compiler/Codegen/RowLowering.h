// Row lowering: emits the loops over tiles that RowPhases planned. What a tile is, how it is walked and how lanes and
// threads combine is the target's part (CpuRows, GpuRows); everything else is shared.
#pragma once

#include "compiler/Codegen/RowPhases.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <map>

namespace mlir::func {
class FuncOp;
}

namespace ft::kernel {

/// One tile of a row: `width` elements from `offset`.
struct Tile {
  mlir::Value offset;              ///< index, relative to the row; where `active` is false, some offset inside the row
  int64_t width;                   ///< elements of the vectors that hold the tile
  int64_t lanes;                   ///< elements that exist, from the first lane; fewer than `width` in a CPU row's tail
  mlir::Value active;              ///< i1: this thread has such a tile; null where always
  int64_t number = -1;             ///< the tile's number where tiles are kept from phase to phase; -1 where recomputed
  mlir::IRMapping *rows = nullptr; ///< of a tile without a number: what of it is there already; null: nothing
};

class RowLowering {
public:
  using Reductions = llvm::SmallVector<mlir::Value>;
  virtual ~RowLowering() = default;

protected:
  RowLowering(FuncOp kernel, const RowPhases &phases, mlir::ImplicitLocOpBuilder &builder)
      : kernel(kernel), phases(phases), b(builder) {}

  /// Emits the body of the kernel at the builder's position; operands and item must be mapped.
  void emitBody() { emitBlock(kernel.getBody().front()); }
  void map(mlir::Value from, mlir::Value to) { scalars.map(from, to); }

  /// Emits the loop over the tiles of a row, calling emitTile for each with the partial results so far.
  virtual Reductions walkRow(const RowGroup &group, Reductions partial) = 0;
  virtual int64_t tileWidth(const RowGroup &group) = 0;
  /// Combines the partial results of the reductions of one phase to scalars, in a fixed order.
  virtual Reductions combine(llvm::ArrayRef<mlir::vector::ReductionOp> ops, Reductions partial) = 0;
  virtual void emitScalarStore(mlir::Operation *store);
  /// Alignment in bytes of a tile's access, if more than the element's.
  virtual llvm::MaybeAlign alignment(const Access &access, int64_t width) { return {}; }
  /// Called for the body's own loops once they are built.
  virtual void annotateLoop(mlir::scf::ForOp loop) {}
  /// Memory that carries this row from the first walk that computes it to the later ones, a multiple of the tile's
  /// width long; null where they compute it again.
  virtual mlir::Value carrier(mlir::Operation *row) { return {}; }
  /// Called around a store to shared memory (RowPhases::isShared).
  virtual void synchronise() {}
  /// Called where a tile's load is needed that is not there yet; may emit it, and others, by emitLoad.
  virtual void loadAhead(mlir::vector::LoadOp load, const Tile &tile) {}

  /// Emits the slice of `group` for one tile; returns the updated partial results.
  Reductions emitTile(const RowGroup &group, const Tile &tile, Reductions partial);
  /// Emits a load of a tile, unless it is there.
  void emitLoad(mlir::vector::LoadOp op, const Tile &tile);
  /// The lanes of a vector as one scalar: halves are combined until one is left.
  mlir::Value combineLanes(mlir::vector::CombiningKind kind, mlir::Value vector);
  mlir::Value constantIndex(int64_t value);
  mlir::Value splat(mlir::Type type, mlir::TypedAttr value);
  mlir::Value neutral(mlir::vector::CombiningKind kind, mlir::Type type);

  FuncOp kernel;
  const RowPhases &phases;
  mlir::ImplicitLocOpBuilder &b;

private:
  void emitBlock(mlir::Block &block);
  void emitRegion(mlir::Operation *op);
  void emitPhase(const Phase &phase);
  void emitFor(mlir::scf::ForOp op);
  void emitIf(mlir::scf::IfOp op);
  void emitScalar(mlir::Operation *op, mlir::IRMapping &values);
  void emitRow(mlir::Operation *op, const Tile &tile, mlir::IRMapping &rows);
  void emitCarried(mlir::Operation *op, const Tile &tile, mlir::IRMapping &rows);
  void emitRowLoop(mlir::scf::ForOp op, const Tile &tile, mlir::IRMapping &rows);
  void emitRowIf(mlir::scf::IfOp op, const Tile &tile, mlir::IRMapping &rows);
  void emitRowBlock(mlir::Block &block, const Tile &tile, mlir::IRMapping &rows);
  void emitLoad(mlir::vector::LoadOp op, const Tile &tile, mlir::IRMapping &rows);
  void emitLoadCodes(LoadCodesOp op, const Tile &tile, mlir::IRMapping &rows);
  void emitStore(mlir::vector::StoreOp op, const Tile &tile, mlir::IRMapping &rows);
  void emitStep(mlir::vector::StepOp op, const Tile &tile, mlir::IRMapping &rows);
  /// The first `lanes` of `width` lanes.
  mlir::Value maskOf(int64_t width, int64_t lanes);
  /// What is there of a tile that has a number or a mapping of its own.
  mlir::IRMapping &rowsOf(int64_t length, const Tile &tile);
  mlir::Value lookup(mlir::Value value, mlir::IRMapping &rows);
  llvm::SmallVector<mlir::Value> indicesAt(mlir::ValueRange indices, const Tile &tile, mlir::IRMapping &rows);

  mlir::IRMapping scalars;                                     // the spine
  std::map<std::pair<int64_t, int64_t>, mlir::IRMapping> kept; // (row length, tile number) → tiles still valid here
  llvm::DenseSet<mlir::Operation *> carried;                   // rows whose carriers are filled here
};

/// Emits `kernel` as a func.func over the operands and items [begin, end). See CpuRows.cpp.
mlir::FailureOr<mlir::func::FuncOp> lowerRowsToCpu(FuncOp kernel, mlir::OpBuilder &builder);
/// Emits `kernel` as a func.func for one block of threads over the operands and the number of items. See GpuRows.cpp.
mlir::FailureOr<mlir::func::FuncOp> lowerRowsToGpu(FuncOp kernel, mlir::OpBuilder &builder);

} // namespace ft::kernel
