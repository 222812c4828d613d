#include "compiler/Planning/Passes.h"

#include "compiler/Planning/AssignMemory.h"
#include "compiler/Planning/Bufferize.h"

namespace ft {
#define GEN_PASS_DEF_BUFFERIZEPASS
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

struct AssignMemory : impl::AssignMemoryPassBase<AssignMemory> {
  void runOnOperation() override { assignMemory(getOperation()); }
};
} // namespace
} // namespace ft
