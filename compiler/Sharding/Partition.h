// Who holds what, from the mesh to local shapes and collectives: compiler/Sharding in order.
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"

#include <cstdint>

namespace ft {

/// The ranks, by axis. One axis is enough for what Strategy knows.
struct MeshSpec {
  static constexpr llvm::StringLiteral axis = "dp";
  int64_t dp = 1; ///< data-parallel ranks, at least 1
};

enum class Strategy {
  Ddp, ///< every rank holds every parameter; gradients are all-reduced
  Fsdp ///< parameters, gradients and moments are split along dimension 0 (ZeRO-3); weights are gathered for each use
};

/// The ft, func and dist dialects with the sharding rules of ft.
void registerSharding(mlir::DialectRegistry &registry);

/// Distributes a training module (buildTrainingModule) over the mesh: annotate, propagate, partition, remove trivial
/// collectives, overlap. The module's shapes are global: its batch has dp times micro_batch_size rows; an
/// ft.read of fewer rows than a variable has (@generate) is the same on all ranks. Afterwards all shapes are one
/// rank's. With dp = 1 the module comes out as it went in, without dist operations. Diagnostics name the variable or
/// operation.
mlir::LogicalResult partition(mlir::ModuleOp module, const MeshSpec &mesh, Strategy strategy);

/// dist-partition, one pass of the above: turns every dist.reshard into collectives by the boxing table (Boxing.h), and
/// the types of all values and variables into one rank's. Start and done stand together where the reshard stood. A
/// variable that is split keeps dist.sharding and gets dist.global.
mlir::LogicalResult insertCollectives(mlir::ModuleOp module);

} // namespace ft
