#include "compiler/Model/Derivatives/Rules.h"
#include "compiler/Model/Differentiate.h"

#include "dialects/Ft/Ft.h"

void ft::registerDerivatives(mlir::DialectRegistry &registry) {
  registry.addExtension(+[](mlir::MLIRContext *context, model::FtDialect *) {
    attachAttentionDerivatives(context);
    attachElementwiseDerivatives(context);
    attachEmbeddingDerivative(context);
    attachGatherRowsDerivative(context);
    attachHeadLossDerivative(context);
    attachLinearDerivative(context);
    attachRmsNormDerivative(context);
  });
}
