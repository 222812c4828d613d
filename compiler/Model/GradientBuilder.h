// What a derivative rule sees: the cotangents of its op's results, which operands need one, and where to put them.
#pragma once

#include "dialects/Ft/Ft.h"
#include "runtime/Plan/plan.pb.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

#include "llvm/ADT/MapVector.h"

namespace ft {

/// Builds the backward part of one function, at its end; its operations have the mark of Ft.h. Cotangents have the type
/// of the value they belong to.
class GradientBuilder {
public:
  GradientBuilder(mlir::ModuleOp module, mlir::func::FuncOp function);

  /// Emits the derivative of every op between the trained parameters and `loss`, and writes every gradient variable.
  mlir::LogicalResult run(mlir::Value loss);

  //===-- for rules ----------------------------------------------------------------------------------------------===//

  mlir::OpBuilder &builder() { return ops; }
  /// "<place of the op under differentiation>.backward".
  mlir::Location loc() const { return here; }
  /// Whether `value` depends on a trained parameter.
  bool needs(mlir::Value value) const { return active.contains(value); }
  /// Null where no path leads from `result` to the loss.
  mlir::Value cotangent(mlir::Value result) const { return cotangents.lookup(result); }
  /// Whether `value` is the loss itself, whose cotangent is 1.
  bool isLoss(mlir::Value value) const { return value == loss; }

  /// Adds to the cotangent of `value`, converting to its type; nothing where none is needed.
  void add(mlir::Value value, mlir::Value cotangent);

  /// Builds a sum into the gradient of a parameter: `build(type, accumulate)` returns accumulate (null: zero) plus
  /// this use's part, in the parameter's gradient type. Nothing where `weight` needs none.
  using BuildWeight = llvm::function_ref<mlir::Value(mlir::RankedTensorType type, mlir::Value accumulate)>;
  void addWeight(mlir::Value weight, BuildWeight build);

  /// The op's derivative has been emitted by the rule of another.
  void markDone(mlir::Operation *op) { done.insert(op); }

  /// The loss is from now on `value`, made by a backward op.
  void replaceLoss(mlir::Value value);

  /// The batch input of this kind; an error on `op` where the module has none.
  mlir::FailureOr<mlir::Value> input(mlir::Operation *op, plan::BatchInput::Kind kind);

private:
  void findActive();
  mlir::LogicalResult visit(mlir::Operation *op);
  mlir::LogicalResult writeGradients();
  mlir::RankedTensorType gradientType(mlir::Value weight);

  /// Marks what is built as backward's.
  struct Marker : mlir::OpBuilder::Listener {
    void notifyOperationInserted(mlir::Operation *op, mlir::OpBuilder::InsertPoint) override {
      op->setAttr(model::backwardName, mlir::UnitAttr::get(op->getContext()));
    }
  };

  mlir::ModuleOp module;
  mlir::func::FuncOp function;
  mlir::SymbolTable symbols;
  Marker marker;
  mlir::OpBuilder ops;
  mlir::Location here;
  mlir::Value loss;
  llvm::DenseSet<mlir::Value> active;
  llvm::DenseSet<mlir::Operation *> done;
  llvm::DenseMap<mlir::Value, mlir::Value> cotangents;
  llvm::MapVector<mlir::Operation *, mlir::Value> gradients; ///< parameter to its gradient so far
};

} // namespace ft
