#include "compiler/Planning/Passes.h"

#include "compiler/Planning/AssignMemory.h"
#include "compiler/Planning/Bufferize.h"
#include "compiler/Planning/Schedule.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace ft {
#define GEN_PASS_DEF_BUFFERIZEPASS
#define GEN_PASS_DEF_SCHEDULEPASS
#define GEN_PASS_DEF_ASSIGNMEMORYPASS
#include "compiler/Planning/Planning.h.inc"

namespace {
struct Bufferize : impl::BufferizePassBase<Bufferize> {
  using BufferizePassBase::BufferizePassBase;
  void runOnOperation() override {
    PlanningOptions options;
    options.libraryAttention = libraryAttention;
    options.foldAdapters = foldAdapters;
    options.headChunkTokens = headChunk;
    options.attentionTileRows = tileRows;
    options.gemmWorkspaceBytes = workspace;
    if (failed(bufferize(getOperation(), options)))
      signalPassFailure();
  }
};

struct ScheduleSteps : impl::SchedulePassBase<ScheduleSteps> {
  using SchedulePassBase::SchedulePassBase;
  void runOnOperation() override { schedule(getOperation(), {prefetchDepth}); }
};

struct AssignMemory : impl::AssignMemoryPassBase<AssignMemory> {
  void runOnOperation() override { assignMemory(getOperation()); }
};
} // namespace
} // namespace ft
