// The Factors interface of ft operations, attached from outside the dialect.
#pragma once

#include "compiler/Sharding/FactorRule.h"

#include "mlir/IR/DialectRegistry.h"

namespace ft {

/// Registers every rule below.
void registerFactors(mlir::DialectRegistry &registry);

void attachProductFactors(mlir::MLIRContext &context);
void attachRowWiseFactors(mlir::MLIRContext &context);
void attachUpdateFactors(mlir::MLIRContext &context);
void attachVariableFactors(mlir::MLIRContext &context);

/// A model for `Op` out of a function `void fill(Op, FactorRule &)`.
template <typename Op, void (*fill)(Op, FactorRule &)>
struct FactorModel : model::Factors::ExternalModel<FactorModel<Op, fill>, Op> {
  void getFactorRule(mlir::Operation *op, FactorRule &rule) const { fill(llvm::cast<Op>(op), rule); }
};

template <typename Op, void (*fill)(Op, FactorRule &)> void attachFactors(mlir::MLIRContext &context) {
  Op::template attachInterface<FactorModel<Op, fill>>(context);
}

} // namespace ft
