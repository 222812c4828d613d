// The RowWise interface of ft and kernel operations, attached from outside the dialects.
#pragma once

#include "compiler/Fusion/RowEmitter.h"
#include "mlir/IR/DialectRegistry.h"

namespace ft {

/// Registers every model below, and loads the dialects that row programs are made of.
void registerRowModels(mlir::DialectRegistry &registry);

void attachColumnModels(mlir::MLIRContext &context);
void attachDropoutModels(mlir::MLIRContext &context);
void attachElementwiseModels(mlir::MLIRContext &context);
void attachEmbeddingModels(mlir::MLIRContext &context);
void attachNormModels(mlir::MLIRContext &context);
void attachRopeModels(mlir::MLIRContext &context);
void attachSwigluModels(mlir::MLIRContext &context);

/// A model for `Op` out of a function `LogicalResult emit(Op, RowEmitter &)`.
template <typename Op, mlir::LogicalResult (*emit)(Op, RowEmitter &)>
struct RowModel : model::RowWise::ExternalModel<RowModel<Op, emit>, Op> {
  mlir::LogicalResult emitRow(mlir::Operation *op, RowEmitter &emitter) const {
    return emit(llvm::cast<Op>(op), emitter);
  }
};

template <typename Op, mlir::LogicalResult (*emit)(Op, RowEmitter &)> void attachRowModel(mlir::MLIRContext &context) {
  Op::template attachInterface<RowModel<Op, emit>>(context);
}

} // namespace ft
