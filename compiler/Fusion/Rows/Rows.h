// The RowWise interface of ft and kernel operations, attached from outside the dialects.
#pragma once

#include "compiler/Fusion/RowEmitter.h"
#include "mlir/IR/DialectRegistry.h"

namespace ft {

/// Registers every model below, and loads the dialects that row programs are made of.
void registerRowModels(mlir::DialectRegistry &registry);

void attachCodeModels(mlir::MLIRContext &context);
void attachColumnModels(mlir::MLIRContext &context);
void attachDropoutModels(mlir::MLIRContext &context);
void attachElementwiseModels(mlir::MLIRContext &context);
void attachEmbeddingModels(mlir::MLIRContext &context);
void attachNormModels(mlir::MLIRContext &context);
void attachRopeModels(mlir::MLIRContext &context);
void attachSwigluModels(mlir::MLIRContext &context);

/// Answers of getRowSpace that several operations give: rows of the first result; the same, for tensors of rank 1 and 2
/// alone.
mlir::LogicalResult rowsOfResult(mlir::Operation *op, RowSpace &space);
mlir::LogicalResult rowsOfMatrix(mlir::Operation *op, RowSpace &space);

/// Answers of isRowOperand: the first `count` operands; none.
template <unsigned count> bool firstOperands(unsigned operand) { return operand < count; }
inline bool noOperand(unsigned) { return false; }

/// A model for `Op` out of the functions that answer its three questions.
template <typename Op, mlir::LogicalResult (*emit)(Op, RowEmitter &),
          mlir::LogicalResult (*space)(mlir::Operation *, RowSpace &), bool (*isRow)(unsigned)>
struct RowModel : model::RowWise::ExternalModel<RowModel<Op, emit, space, isRow>, Op> {
  mlir::LogicalResult emitRow(mlir::Operation *op, RowEmitter &emitter) const {
    return emit(llvm::cast<Op>(op), emitter);
  }
  mlir::LogicalResult getRowSpace(mlir::Operation *op, RowSpace &rows) const { return space(op, rows); }
  bool isRowOperand(mlir::Operation *, unsigned operand) const { return isRow(operand); }
};

template <typename Op, mlir::LogicalResult (*emit)(Op, RowEmitter &),
          mlir::LogicalResult (*space)(mlir::Operation *, RowSpace &), bool (*isRow)(unsigned)>
void attachRowModel(mlir::MLIRContext &context) {
  Op::template attachInterface<RowModel<Op, emit, space, isRow>>(context);
}

} // namespace ft
