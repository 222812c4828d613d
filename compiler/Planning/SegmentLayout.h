// Where the values of one segment lie: which share memory in place, which live in a variable, which lie side by side.
#pragma once

#include "compiler/Planning/VariableLayout.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <optional>

namespace ft {

/// A run [begin, end) of operands that one GEMM can take.
struct OperandRun {
  size_t begin, end;
};

/// The place and version of every tensor value of a segment function.
///
/// Four rules decide. (1) In place: a result overwrites an operand that dies there, where the operation allows it.
/// (2) Variables: a value that ends in `ft.write` is computed in the variable itself, unless something still reads the
/// old content. (3) Bundles: the results of a grouped linear, and the gradients that one GEMM of a linear_bwd_input
/// reads, lie side by side in one buffer, so that a group is one GEMM. (4) Borders: the input of a linear whose weights
/// have adapters in their border has as many columns behind each row.
class SegmentLayout {
public:
  /// Creates the transient buffers in front of `builder`'s insertion point, in arena @activations.
  /// `separateAttentionGradients`: dq, dk and dv share their buffer with nothing else.
  SegmentLayout(mlir::func::FuncOp segment, const VariableLayout &variables, mlir::OpBuilder &builder,
                int64_t &nextVersion, bool separateAttentionGradients);

  const Place &place(mlir::Value value) const;
  int64_t version(mlir::Value value) const { return versions.lookup(value); }
  /// The operand of its operation that `result` overwrites, or −1.
  int64_t aliasOf(mlir::Value result) const;
  /// True where `write` needs a copy step: its value could not be computed in the variable.
  bool needsCopy(model::WriteOp write) const { return copies.contains(write); }

  /// A transient buffer that is no value: scores, logits, partial sums.
  Place scratch(llvm::StringRef name, int64_t rows, int64_t columns, mlir::Type elementType);
  int64_t freshVersion() { return nextVersion++; }
  const VariableLayout &variableLayout() const { return variables; }

  /// The columns behind the input of a folded linear, where s goes; nothing where the linear is not folded.
  std::optional<Place> border(model::LinearOp linear) const;

  /// Splits the operands of a linear_bwd_input into runs whose weights lie below each other.
  llvm::SmallVector<OperandRun> weightRuns(mlir::ValueRange weights) const;

private:
  struct Storage {
    llvm::SmallVector<mlir::Value> chain; ///< values that hold it one after the other
    mlir::StringAttr variable;            ///< null: transient
    int64_t bundle = -1;
    Place place;
    int64_t border = 0; ///< columns behind each row
  };

  void numberOperations();
  void assignStorages();
  void assignResults(mlir::Operation *op);
  bool tryInPlace(mlir::Operation *op, int64_t operand, mlir::Value result);
  bool mayOverwriteVariable(mlir::Operation *op, mlir::Value result, mlir::StringAttr variable, bool atOp) const;
  void bindWrites();
  void formBorders();
  void formBundles();
  void requestBundles(model::LinearBwdInputOp backward, OperandRun run);
  void requestBundle(mlir::ValueRange values);
  void createBuffers();
  void assignVersions();
  int64_t lastUse(mlir::Value value) const;
  mlir::FlatSymbolRefAttr createBuffer(llvm::StringRef name, int64_t bytes);

  mlir::func::FuncOp segment;
  const VariableLayout &variables;
  mlir::OpBuilder &builder;
  int64_t &nextVersion;
  bool separateAttentionGradients;
  int64_t bufferCount = 0;
  llvm::DenseMap<mlir::Operation *, int64_t> indexOf;
  std::vector<Storage> storages;
  llvm::DenseMap<mlir::Value, int64_t> storageOf;
  llvm::DenseMap<mlir::Value, int64_t> aliases;
  llvm::SmallVector<llvm::SmallVector<int64_t>> bundles;
  llvm::SmallVector<llvm::SmallVector<mlir::Value>> tuples;
  llvm::DenseMap<mlir::Value, int64_t> versions;
  llvm::DenseSet<mlir::Operation *> copies;
};

} // namespace ft
