// Reverse-mode differentiation of @forward.
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"

namespace ft {

/// Turns @forward, which writes LOSS, into @accumulate_first, which also writes the gradient of every trained
/// parameter into a variable of role gradient (key: the parameter's). The rules are the Derivative interface's.
/// Frozen weights get no gradient and nothing is computed for values that depend on no trained parameter. So it turns
/// @forward_targets, where there is one, into @accumulate_first_targets, which writes the same variables.
mlir::LogicalResult differentiate(mlir::ModuleOp module);

/// Attaches the derivative rules of compiler/Model/Derivatives to the ops of ft.
void registerDerivatives(mlir::DialectRegistry &registry);

} // namespace ft
