#pragma once

#include "compiler/Model/RecomputePolicy.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace ft {

#define GEN_PASS_DECL
#include "compiler/Model/ModelPasses.h.inc"

/// Registers --ft-insert-adapters, --ft-apply-precision, --ft-differentiate, --ft-recompute, --ft-accumulate,
/// --ft-add-optimizer, --ft-remove-unused and --ft-check-training-module with ft-opt. Its registry must have been given
/// to registerModel.
void registerModelPasses();

} // namespace ft
