#include "compiler/Sharding/Factors/Factors.h"

void ft::registerFactors(mlir::DialectRegistry &registry) {
  registry.addExtension(+[](mlir::MLIRContext *context, model::FtDialect *) {
    attachProductFactors(*context);
    attachRowWiseFactors(*context);
    attachUpdateFactors(*context);
    attachVariableFactors(*context);
  });
}
