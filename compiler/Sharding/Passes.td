// Passes of compiler/Sharding, in their order.
#ifndef FT_SHARDING_PASSES_TD
#define FT_SHARDING_PASSES_TD

include "mlir/Pass/PassBase.td"

def AnnotatePass : Pass<"dist-annotate", "::mlir::ModuleOp"> {
  let summary = "Declare the mesh and seed the shardings of variables";
  let dependentDialects = ["::ft::dist::DistDialect"];
  let options = [
    Option<"strategy", "strategy", "std::string", "\"DDP\"", "DDP, ZERO1, ZERO2 or FSDP">,
    Option<"ranks", "dp", "int64_t", "1", "data-parallel ranks">,
    Option<"shard", "shard", "int64_t", "0", "ranks that hold one copy of what is split; 0: all">,
    Option<"frozen", "split-frozen", "bool", "false", "frozen weights are split as well">,
  ];
}

def PropagatePass : Pass<"dist-propagate", "::mlir::ModuleOp"> {
  let summary = "Give every value a sharding and insert dist.reshard where users need another";
  let dependentDialects = ["::ft::dist::DistDialect"];
}

def PartitionPass : Pass<"dist-partition", "::mlir::ModuleOp"> {
  let summary = "Turn dist.reshard into collectives and all shapes into one rank's";
  let dependentDialects = ["::ft::dist::DistDialect"];
}

def RemoveTrivialPass : Pass<"dist-remove-trivial", "::mlir::ModuleOp"> {
  let summary = "Delete collectives over axes of one rank";
}

def OverlapPass : Pass<"dist-overlap", "::mlir::ModuleOp"> {
  let summary = "Move starts of collectives up and dones down";
  let options = [
    Option<"inFlight", "in-flight", "int64_t", "0", "cap on gathers and on reductions under way; 0: none">,
  ];
}

#endif // FT_SHARDING_PASSES_TD
