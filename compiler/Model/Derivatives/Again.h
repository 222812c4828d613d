// Operations that are made again by a clone.
#pragma once

#include "compiler/Model/RecomputePolicy.h"
#include "dialects/Ft/Ft.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"

namespace ft {

inline mlir::Value cloneAgain(mlir::OpResult result, mlir::OpBuilder &builder, mlir::IRMapping &there) {
  return builder.clone(*result.getOwner(), there)->getResult(result.getResultNumber());
}

/// Results of `Op` are made again under `from` and each tighter policy.
template <typename Op, Recompute from, bool besideDerivative = false>
struct Again : model::Remade::ExternalModel<Again<Op, from, besideDerivative>, Op> {
  Recompute getRecompute(mlir::Operation *, mlir::OpResult) const { return from; }
  bool isMadeBesideDerivative(mlir::Operation *) const { return besideDerivative; }
  mlir::Value buildAgain(mlir::Operation *, mlir::OpResult result, mlir::OpBuilder &builder,
                         mlir::IRMapping &there) const {
    return cloneAgain(result, builder, there);
  }
};

} // namespace ft
