// Row phases: in which order, and how often, the rows of a kernel.func are walked.
//
// A kernel's rows are vectors of up to 151 936 elements; no register file holds them. Strip-mining turns the body into
// loops over tiles of a row:
//   - The spine is the scalar program: scalar operations, loops and conditions, and the anchors, which are the
//     operations that need a whole row at once: reductions (row → scalar) and row stores.
//   - Row values are not stored, but where a target carries one from walk to walk. Each anchor walks its row tile by
//     tile, recomputing the slice of elementwise operations back to the loads that it needs. Loops and conditions that
//     yield rows and hold no anchor belong to slices like any elementwise operation: the loop over tiles stands
//     outside, the loop of the body inside.
//   - A phase is a set of anchors that one walk can serve: within a block an anchor's phase is the number of
//     reductions on the longest path to it. Anchors of one phase and one row length share a loop (a group).
//   - Segments keep the program order where phases would not: spine loops and conditions stand alone, and reading
//     memory that was written earlier in the block begins a new segment.
//
// Cost: a row is read once per phase that needs it (from cache, or, where the target unrolls, from registers).
//
// Recomputing means reading again. That is refused where the memory was overwritten in between; a store moves to a
// later phase of its segment if this avoids the conflict (residual adds in place do). Within a group, store and load
// of one tile stay in program order, which is right when both name the same elements.
#pragma once

#include "dialects/Kernel/Kernel.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"

#include <optional>
#include <vector>

namespace ft::kernel {

/// A math.exp with this attribute is of numbers that are not above 0: a row less its own maximum.
constexpr llvm::StringLiteral nonPositiveName = "kernel.non_positive";

/// True for one-dimensional vectors: rows.
bool isRow(mlir::Type type);
/// Length of a row type.
int64_t rowLength(mlir::Type type);
/// The values `op` reads: operands, and what its regions use from outside.
llvm::SmallVector<mlir::Value> usedValues(mlir::Operation *op);

/// One access to memory; `length` is 1 for scalars.
struct Access {
  mlir::Operation *op;
  mlir::Value memref;
  mlir::ValueRange indices;
  int64_t length;
  bool store;
  bool row;
};
/// The access of `op`, if it is a load or store.
std::optional<Access> accessOf(mlir::Operation *op);
/// All accesses of `op` and its regions.
llvm::SmallVector<Access, 4> accessesIn(mlir::Operation *op);

/// Anchors of one row length that share a loop over tiles, in program order; and, `slice`, all row operations they need
/// and themselves, each anchor close behind what only it needs, so that few values of a tile live at once.
struct RowGroup {
  int64_t length;
  llvm::SmallVector<mlir::Operation *> anchors;
  llvm::SmallVector<mlir::Operation *> slice;
};

/// Scalars first, then the groups, then the scalar stores.
struct Phase {
  llvm::SmallVector<mlir::Operation *> scalars;
  std::vector<RowGroup> groups;
  llvm::SmallVector<mlir::Operation *> stores;
};

/// Either phases in order, or one spine loop or condition.
struct Segment {
  std::vector<Phase> phases;
  mlir::Operation *region = nullptr;
};

class RowPhases {
public:
  /// Plans every spine block of `kernel`; in-place pairs must already share one operand. Emits an error on the
  /// operation that cannot be planned.
  static llvm::FailureOr<RowPhases> plan(FuncOp kernel);

  llvm::ArrayRef<Segment> segments(mlir::Block *block) const { return blocks.find(block)->second; }
  /// All groups of the kernel, for choosing tile shapes.
  llvm::SmallVector<const RowGroup *> groups() const;
  /// True if other accesses to the memory of this store are not provably of the same elements by the same tile: threads
  /// must synchronise around it.
  bool isShared(mlir::Operation *store) const { return shared.contains(store); }

private:
  struct Position {
    mlir::Block *block;
    unsigned segment, phase, step; // step: 0 scalars, 1 + n group n, ~0 scalar stores
  };
  llvm::LogicalResult planBlock(mlir::Block &block);
  llvm::LogicalResult addRegion(std::vector<Segment> &segments, mlir::Operation *op);
  llvm::LogicalResult planSegment(llvm::ArrayRef<mlir::Operation *> ops, std::vector<Segment> &segments);
  void delayStores(llvm::ArrayRef<mlir::Operation *> ops, llvm::DenseMap<mlir::Operation *, unsigned> &phase);
  llvm::SmallVector<mlir::Operation *> sliceOf(llvm::ArrayRef<mlir::Operation *> anchors) const;
  llvm::SmallVector<mlir::Operation *> orderOnDemand(llvm::ArrayRef<mlir::Operation *> anchors) const;
  llvm::LogicalResult checkRereads(FuncOp kernel);
  llvm::LogicalResult checkReread(const RowGroup &group, const Access &load, const Access &store);
  void findShared(FuncOp kernel);
  bool before(mlir::Operation *a, mlir::Operation *b) const { return number.lookup(a) < number.lookup(b); }

  llvm::MapVector<mlir::Block *, std::vector<Segment>> blocks;
  llvm::DenseMap<mlir::Operation *, Position> positions; // anchors, scalar stores, spine regions
  llvm::DenseMap<mlir::Operation *, unsigned> number;    // program order
  llvm::DenseSet<mlir::Operation *> shared;
};

} // namespace ft::kernel
