// What a value says of the place that it is to have.
#pragma once

#include "compiler/Planning/VariableLayout.h"

namespace ft {

/// A matrix of its shape, the last dimension as columns, in no buffer yet.
Place placeOfType(mlir::Value value);

/// The place in the model that a value comes from ("layers.3.mlp.gate_up_proj"), else its operation's name.
llvm::StringRef placeName(mlir::Value value);

/// The first write of the value; null where it ends in no variable.
model::WriteOp writerOf(mlir::Value value);

} // namespace ft
