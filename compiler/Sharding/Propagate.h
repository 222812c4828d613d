#pragma once

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// dist-propagate: gives every value of every segment a sharding (dist.sharding on its operation), and inserts a
/// dist.reshard where an operand lies otherwise than its operation needs. Needs the mesh and the shardings of all
/// variables (dist-annotate). Shapes stay global, but for the own tables of a rank.
mlir::LogicalResult propagateSharding(mlir::ModuleOp module);

} // namespace ft
