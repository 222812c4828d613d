#include "compiler/Planning/Steps/Steps.h"

void ft::registerSteps(mlir::DialectRegistry &registry) {
  registry.addExtension(+[](mlir::MLIRContext *context, kernel::KernelDialect *) { attachFusedSteps(*context); });
  registry.addExtension(+[](mlir::MLIRContext *context, model::FtDialect *) {
    attachAttentionSteps(*context);
    attachEmbeddingSteps(*context);
    attachHeadLossSteps(*context);
    attachProductSteps(*context);
    attachScalarSteps(*context);
    attachUpdateSteps(*context);
  });
}
