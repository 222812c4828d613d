// Who holds what, from the mesh to local shapes and collectives: compiler/Sharding in order.
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"

#include <cstdint>

namespace ft {

/// The ranks. All of them are data-parallel; states that a strategy splits are split over the last axis.
struct MeshSpec {
  int64_t dp = 1;    ///< ranks, at least 1
  int64_t shard = 0; ///< of these, so many neighbours hold one copy of the states together; 0: all

  bool operator==(const MeshSpec &) const = default;

  struct Axis {
    llvm::StringLiteral name;
    int64_t size;
  };
  /// {dp}, or {dp_replicate, dp_shard} where there are several copies of what is split.
  llvm::SmallVector<Axis, 2> axes() const;
};

/// What ranks hold in parts; each strategy splits what those before it do. The states of an update are its moments and,
/// where what segments read is a working copy, the parameter.
enum class Strategy {
  Ddp,   ///< nothing: gradients are all-reduced
  Zero1, ///< states: gradients are reduced to shares once a step, updated parameters are gathered
  Zero2, ///< and gradients: they are reduced to shares in every micro-batch
  Fsdp,  ///< and parameters that are no adapters (ZeRO-3): they are gathered for each use
};

/// The ft, func and dist dialects with the sharding rules of ft.
void registerSharding(mlir::DialectRegistry &registry);

/// Distributes a training module (buildTrainingModule) over the mesh: annotate, propagate, partition, remove trivial
/// collectives, overlap. The module's shapes are global: its batch has dp times micro_batch_size rows; an
/// ft.read of fewer rows than a variable has (@generate) is the same on all ranks. Afterwards all shapes are one
/// rank's. With dp = 1 the module comes out as it went in, without dist operations. Diagnostics name the variable or
/// operation. `splitFrozen`: frozen weights are split as well, and gathered for each use.
mlir::LogicalResult partition(mlir::ModuleOp module, const MeshSpec &mesh, Strategy strategy, bool splitFrozen);

/// dist-partition, one pass of the above: turns every dist.reshard into collectives by the boxing table (Boxing.h), and
/// the types of all values and variables into one rank's. Start and done stand together where the reshard stood. A
/// variable that is split keeps dist.sharding and gets dist.global; a bucket that is, its number of shares.
mlir::LogicalResult insertCollectives(mlir::ModuleOp module);

} // namespace ft
