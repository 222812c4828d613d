#pragma once

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// dist-remove-trivial: takes axes of one rank out of every collective and slice and deletes those that have no other;
/// deletes a mesh of one rank with all that refers to it.
void removeTrivial(mlir::ModuleOp module);

} // namespace ft
