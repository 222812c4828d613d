#include "compiler/Planning/Passes.h"

#include "compiler/Planning/AssignMemory.h"
#include "compiler/Planning/Bufferize.h"
#include "compiler/Planning/Schedule.h"

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
