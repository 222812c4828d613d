#pragma once

#include "compiler/Sharding/Partition.h"

namespace ft {

/// dist-annotate: declares the mesh and seeds the shardings of variables (see Annotate.cpp). The module must have none.
mlir::LogicalResult annotateSharding(mlir::ModuleOp module, const MeshSpec &mesh, Strategy strategy, bool splitFrozen);

} // namespace ft
