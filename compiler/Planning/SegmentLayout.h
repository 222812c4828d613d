// Where the values of one segment lie: which share memory in place, which live in a variable, which lie side by side.
#pragma once

#include "compiler/Planning/PlanningOptions.h"
#include "compiler/Planning/VariableLayout.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <optional>

namespace ft {

/// The place and version of every tensor value of a segment function.
///
/// Four rules decide. (1) In place: a result overwrites an operand that dies there, where the operation allows it
/// (InPlace). (2) Variables: a value that ends in `ft.write`, by itself or as a member of an `ft.assemble`, is computed
/// in the variable itself, unless something still reads the old content there. (3) Borders and (4) bundles are what
/// operations ask for (Placement): columns behind the rows of a value; values side by side in one buffer. For example,
/// with q, k and v below each other in one buffer, f32:
///
///   %x = ft.rms_norm ..                                   buffer 0  [8, 32 + 16]: folded adapters' s lies behind x
///   %y:3 = ft.linear %x, [%q, %k, %v] low_rank ..         buffer 1  [8, 64 + 32 + 32]: one GEMM writes all three
///   %r:2 = ft.rope %y#0, %y#1, ..                         in place: columns 0 .. 95 of buffer 1, versions of their own
///   %o, %lse = ft.attention %r#0, %r#1, %y#2, ..          buffers 2 and 3
///   %h = ft.add %residual, ..                             in place of %residual, if nothing reads that later
///   ft.write @out, %z                                     %z lies in @out's buffer from the start; no copy
///
/// Of several ranks, what ends behind an exchange is computed where that is done in place: before an all_reduce in the
/// variable, before an all_gather in the rank's own share of it, before a reduce_scatter in the whole around the share.
/// A whole that ends in no variable gets a buffer as soon as it is met, since its members lie in it.
///
/// A version belongs to a value, not to a buffer: what overwrites in place leaves a new one, and values that one GEMM
/// writes share one. What a variable holds has the variable's version, members of a bucket have the bucket's. What
/// @update gathers anew, or brings back from the host, it finds stale: what the last one has left is a version by
/// itself (`renames`).
class SegmentLayout {
public:
  /// Creates the transient buffers in front of `builder`'s insertion point, in arena @activations; those of values on
  /// the host in @host_transfers.
  SegmentLayout(mlir::func::FuncOp segment, const VariableLayout &variables, mlir::OpBuilder &builder,
                int64_t &nextVersion, const PlanningOptions &options);

  const Place &place(mlir::Value value) const;
  int64_t version(mlir::Value value) const { return versions.lookup(value); }
  /// The operand of its operation that `result` overwrites, or −1.
  int64_t aliasOf(mlir::Value result) const;
  /// True where `write` needs a copy step: its value could not be computed in the variable.
  bool needsCopy(model::WriteOp write) const { return copies.contains(write); }

  /// A transient buffer that is no value: scores, logits, partial sums.
  Place scratch(llvm::StringRef name, int64_t rows, int64_t columns, mlir::Type elementType, bool host = false);
  int64_t freshVersion() { return nextVersion++; }
  const VariableLayout &variableLayout() const { return variables; }

  /// A buffer whose content is stale from the segment's begin on.
  struct Rename {
    mlir::FlatSymbolRefAttr buffer;
    int64_t from, to;
  };
  llvm::ArrayRef<Rename> renames() const { return stale; }

  /// The columns behind the rows of a value, where it has any.
  std::optional<Place> border(mlir::Value value) const;

private:
  struct Storage {
    llvm::SmallVector<mlir::Value> chain; ///< values that hold it one after the other
    bool persistent = false;              ///< in a variable's buffer, or in one that others lie in
    int64_t bundle = -1;
    Place place;
    int64_t border = 0; ///< columns behind each row
  };

  /// Fills `indexOf` and `readsOf`.
  void numberOperations();
  void assignStorages();
  void assignRead(model::ReadOp read);
  void assignView(model::ViewOp view);
  void assignSlice(dist::SliceOp slice);
  void assignAssembled(model::AssembleOp assemble);
  void assignExchanged(dist::DoneOp done);
  void assignDequantized(model::DequantizeOp op);
  void assignStored(model::StoredOp op);
  void assignTransfer(model::TransferOp op);
  void assignResults(mlir::Operation *op);
  bool tryInPlace(mlir::Operation *op, int64_t operand, mlir::Value result);
  void addStorage(mlir::Value value, const Place &place, bool persistent);
  Storage &settled(mlir::Value value);
  std::optional<Place> homeOf(mlir::Value value) const;
  std::optional<Place> homeBehind(mlir::Operation *start, unsigned operand) const;
  bool endsAt(mlir::Value value, const Place &place) const;
  bool mayOverwrite(mlir::Operation *op, mlir::Value result, const Place &place, bool atOp) const;
  bool bind(mlir::Value value, const Place &target);
  void bindWrites();
  void grantRequests(const PlanningOptions &options);
  bool fits(mlir::Value value, llvm::ArrayRef<mlir::Value> others, const Place &like) const;
  size_t extendBundle(mlir::ValueRange values);
  void bundle(mlir::ValueRange values);
  void bundleAtOnePitch(mlir::ValueRange values);
  void level(llvm::ArrayRef<llvm::SmallVector<mlir::Value>> groups);
  void addBundle(llvm::ArrayRef<mlir::Value> values, int64_t spare);
  /// Of all that lies in a bundle, and behind.
  int64_t columnsOf(int64_t number) const;
  void createBuffers();
  void findStale();
  void assignVersions();
  int64_t lastUse(mlir::Value value) const;
  mlir::FlatSymbolRefAttr createBuffer(llvm::StringRef name, int64_t bytes, bool host);

  mlir::func::FuncOp segment;
  const VariableLayout &variables;
  mlir::OpBuilder &builder;
  int64_t &nextVersion;
  int64_t bufferCount = 0;
  llvm::DenseMap<mlir::Operation *, int64_t> indexOf;
  llvm::DenseMap<mlir::Attribute, llvm::SmallVector<model::ReadOp, 1>> readsOf; ///< by the buffer of what is read
  std::vector<Storage> storages;
  llvm::DenseMap<mlir::Value, int64_t> storageOf;
  llvm::DenseMap<mlir::Value, int64_t> aliases;
  std::vector<std::pair<llvm::SmallVector<int64_t>, int64_t>> bundles; ///< storages, and spare columns behind them
  llvm::SmallVector<llvm::SmallVector<mlir::Value>> tuples;
  llvm::DenseMap<mlir::Value, int64_t> versions;
  llvm::DenseSet<mlir::Operation *> copies;
  llvm::SmallVector<Rename> stale;
};

} // namespace ft
