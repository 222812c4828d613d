// What an operation sees while it takes the element types of a precision mode.
#pragma once

#include "compiler/Model/ModelOptions.h"

#include "dialects/Ft/Ft.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"

namespace ft {

/// One column of the table of precision modes (docs/numerics.md), and the working copies that a module needs for it.
class PrecisionTable {
public:
  /// `accumulates`, `copyAdapters`, `bf16Gradients`: see applyPrecision.
  PrecisionTable(mlir::ModuleOp module, Precision precision, bool accumulates, bool copyAdapters, bool bf16Gradients);

  //===-- for policies -------------------------------------------------------------------------------------------===//

  /// Products, norms' outputs, q, k, v, attention, gate, up: the work type.
  void work(mlir::ValueRange results);
  /// The stream that layers add to.
  void residual(mlir::Value result);
  /// Sums over a row, and what is derived from them.
  void statistic(mlir::Value result);
  /// `result` holds what `operand` holds.
  void like(mlir::Value result, mlir::Value operand);
  /// A product reads `operand`, which must be of the work type: of a trained weight that is not stored so, or an
  /// adapter to be copied, the working copy is read in its place.
  void readCopy(mlir::OpOperand &operand);
  void readCopies(mlir::MutableOperandRange operands);
  /// `weight` is a head's: its gradient is summed over all chunks of tokens.
  void head(mlir::Value weight);

  //===-- for variables ------------------------------------------------------------------------------------------===//

  /// Gives a parameter or table its type as stored, and its gradient's; other variables have the plan format's.
  void store(model::VariableOp variable);

private:
  mlir::SymbolTable symbols;
  bool copyAdapters;
  struct Types {
    mlir::Type frozen, trained, adapter; ///< parameters as stored
    mlir::Type work, residual, statistic;
    mlir::Type gradient, headGradient, adapterGradient;
  } types;
  static Types typesOf(mlir::Builder &&builder, Precision precision, bool accumulates, bool bf16Gradients);
  llvm::DenseMap<mlir::Operation *, model::VariableOp> copies;
  llvm::DenseMap<std::pair<mlir::Operation *, mlir::Operation *>, model::ReadOp> copyReads; ///< by function and copy
};

/// Attaches the policies of PrecisionPolicies.cpp to the ops of ft.
void registerPrecisionPolicies(mlir::DialectRegistry &registry);

} // namespace ft
