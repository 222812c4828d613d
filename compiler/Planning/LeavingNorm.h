#pragma once

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// Has a norm taken where its gradients are made, since they leave for the host before @update begins. Where gradients
/// lie there, of a step of one micro-batch
///
///   func.func @accumulate_first() {                    func.func @update() {
///     ft.write @bucket0.gradient, %g0                    %norm = ft.read @leaving_norm
///     ft.write @bucket1.gradient, %g1                    ..
///     %norm = ft.grad_norm %g0, %g1
///     ft.write @leaving_norm, %norm
///   }
///
/// and so in @accumulate_first_targets: the same gradients in the same order, so the same sum. Planning then computes
/// the squares of each in front of its leaving (Steps/GradNorm.cpp). A norm that @update does not take (NormAhead.h)
/// stays where it is.
void takeLeavingNorm(mlir::ModuleOp module);

} // namespace ft
