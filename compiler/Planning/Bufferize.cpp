#include "compiler/Planning/Bufferize.h"

#include "compiler/Planning/InsertDequantization.h"
#include "compiler/Planning/InsertTransfers.h"
#include "compiler/Planning/LeavingNorm.h"
#include "compiler/Planning/SegmentEmitter.h"
#include "compiler/Planning/SplitUpdate.h"
#include "compiler/Planning/Steps/Steps.h"
#include "dialects/Dist/Dist.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace ft;

static void createWorkspace(OpBuilder &builder, Location loc, StringRef name, int64_t bytes) {
  if (bytes > 0)
    plan::BufferOp::create(builder, loc, name, "workspace", plan::BufferClass::Workspace, bytes, IntegerAttr(), 0,
                           plan::SharesAttr());
}

/// Tile bases of tiled attention, where a segment has attention.
static void createTileBases(ModuleOp module, OpBuilder &builder, VariableLayout &variables,
                            const PlanningOptions &options) {
  int64_t sequence = 0;
  module.walk([&](model::AttentionOp op) { sequence = std::max<int64_t>(sequence, op.getSequenceLen()); });
  if (sequence == 0 || options.libraryAttention)
    return;
  int64_t rows = std::min(options.attentionTileRows, sequence);
  SmallVector<int32_t> bases;
  for (int64_t base = 0; base < sequence; base += rows)
    bases.push_back(base);
  variables.addTable(builder, tileBases, bases);
}

LogicalResult ft::bufferize(ModuleOp module, const PlanningOptions &options) {
  takeLeavingNorm(module);
  splitUpdate(module);
  FailureOr<VariableLayout> variables = VariableLayout::create(module, options.foldAdapters, options.pinMoments);
  if (failed(variables))
    return failure();
  insertDequantization(module, options.foldAdapters);
  insertTransfers(module);
  OpBuilder builder(module.getBodyRegion());
  builder.setInsertionPointToEnd(module.getBody());
  Location loc = module.getLoc();
  plan::ArenaOp::create(builder, loc, plan::Space::Device, "activations", 0, 256, 0, true);
  plan::ArenaOp::create(builder, loc, plan::Space::Device, "workspace", 0, 256, 0, false);
  createWorkspace(builder, loc, gemmWorkspace, options.gemmWorkspaceBytes);
  createWorkspace(builder, loc, attentionWorkspace, options.attentionWorkspaceBytes);
  createTileBases(module, builder, *variables, options);

  KernelPool kernels(module), hostKernels(module, /*host=*/true);
  int64_t nextVersion = variables->firstFreeVersion();
  SmallVector<func::FuncOp> segments(module.getOps<func::FuncOp>());
  for (func::FuncOp segment : segments) {
    builder.setInsertionPointToEnd(module.getBody());
    if (failed(emitSegment(segment, *variables, builder, kernels, hostKernels, options, nextVersion)))
      return failure();
  }
  for (func::FuncOp segment : segments)
    segment.erase();
  for (Operation &op : llvm::make_early_inc_range(*module.getBody()))
    if (isa<model::VariableOp, dist::MeshOp>(op))
      op.erase();
  return success();
}
