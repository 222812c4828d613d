// One registration function per file of rules.
#pragma once

#include "mlir/IR/MLIRContext.h"

namespace ft {

void attachAttentionDerivatives(mlir::MLIRContext *context);
void attachElementwiseDerivatives(mlir::MLIRContext *context);
void attachEmbeddingDerivative(mlir::MLIRContext *context);
void attachGatherRowsDerivative(mlir::MLIRContext *context);
void attachHeadLossDerivative(mlir::MLIRContext *context);
void attachLinearDerivative(mlir::MLIRContext *context);
void attachRmsNormDerivative(mlir::MLIRContext *context);

} // namespace ft
