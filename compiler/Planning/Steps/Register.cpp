#include "compiler/Planning/Steps/Steps.h"

#include "dialects/Dist/Dist.h"

void ft::registerSteps(mlir::DialectRegistry &registry) {
  registry.addExtension(+[](mlir::MLIRContext *context, dist::DistDialect *) { attachCollectiveSteps(*context); });
  registry.addExtension(+[](mlir::MLIRContext *context, kernel::KernelDialect *) { attachFusedSteps(*context); });
  registry.addExtension(+[](mlir::MLIRContext *context, model::FtDialect *) {
    attachAttentionSteps(*context);
    attachCodeSteps(*context);
    attachDequantizeSteps(*context);
    attachEmbeddingSteps(*context);
    attachHeadLossSteps(*context);
    attachNormSteps(*context);
    attachProductSteps(*context);
    attachScalarSteps(*context);
    attachUpdateSteps(*context);
  });
}
