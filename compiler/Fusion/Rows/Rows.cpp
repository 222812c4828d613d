#include "compiler/Fusion/Rows/Rows.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

void ft::registerRowModels(DialectRegistry &registry) {
  registry.insert<model::FtDialect, kernel::KernelDialect, arith::ArithDialect, math::MathDialect,
                  memref::MemRefDialect, scf::SCFDialect, vector::VectorDialect>();
  registry.addExtension(+[](MLIRContext *context, kernel::KernelDialect *) { attachColumnModels(*context); });
  registry.addExtension(+[](MLIRContext *context, model::FtDialect *) {
    attachCodeModels(*context);
    attachDropoutModels(*context);
    attachElementwiseModels(*context);
    attachEmbeddingModels(*context);
    attachNormModels(*context);
    attachRopeModels(*context);
    attachSwigluModels(*context);
  });
}

LogicalResult ft::rowsOfResult(Operation *op, RowSpace &space) {
  space = getRowsOf(op->getResult(0));
  return success();
}

LogicalResult ft::rowsOfMatrix(Operation *op, RowSpace &space) {
  const int64_t rank = cast<RankedTensorType>(op->getResult(0).getType()).getRank();
  return rank == 1 || rank == 2 ? rowsOfResult(op, space) : failure();
}
