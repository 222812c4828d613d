#ifndef PLANNING_PASSES_TD
#define PLANNING_PASSES_TD

include "mlir/Pass/PassBase.td"

def BufferizePass : Pass<"plan-bufferize", "::mlir::ModuleOp"> {
  let summary = "Turn segments over tensors into steps over buffers";
  let dependentDialects = ["::ft::plan::PlanDialect", "::ft::kernel::KernelDialect", "::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect"];
  let options = [
    Option<"libraryAttention", "library-attention", "bool", "false", "attention by the library, else tiled">,
    Option<"foldAdapters", "fold-adapters", "bool", "false", "adapters in the border of their base weights">,
    Option<"headChunk", "head-chunk", "int64_t", "256", "tokens of logits that live at once">,
    Option<"tileRows", "tile-rows", "int64_t", "128", "query rows of a score tile">,
    Option<"workspace", "workspace", "int64_t", "0", "bytes that GEMMs share">,
  ];
}

def SchedulePass : Pass<"plan-schedule", "::mlir::ModuleOp"> {
  let summary = "Give every step its stream, its place in the order and the events that it needs";
  let dependentDialects = ["::ft::plan::PlanDialect"];
  let options = [
    Option<"prefetchDepth", "prefetch-depth", "int64_t", "2", "values fetched ahead of their first use">,
  ];
}

def AssignMemoryPass : Pass<"plan-assign-memory", "::mlir::ModuleOp"> {
  let summary = "Give every buffer its offset and every arena its size";
  let dependentDialects = ["::ft::plan::PlanDialect"];
}

#endif // PLANNING_PASSES_TD
