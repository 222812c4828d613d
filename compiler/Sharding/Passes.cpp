// Each pass is a call of the function in the file of its name.
#include "compiler/Sharding/Passes.h"

#include "compiler/Sharding/Annotate.h"
#include "compiler/Sharding/Overlap.h"
#include "compiler/Sharding/Partition.h"
#include "compiler/Sharding/Propagate.h"
#include "compiler/Sharding/RemoveTrivial.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace ft {

#define GEN_PASS_DEF_ANNOTATEPASS
#define GEN_PASS_DEF_PROPAGATEPASS
#define GEN_PASS_DEF_PARTITIONPASS
#define GEN_PASS_DEF_REMOVETRIVIALPASS
#define GEN_PASS_DEF_OVERLAPPASS
#define GEN_PASS_REGISTRATION
#include "compiler/Sharding/ShardingPasses.h.inc"

namespace {

struct AnnotatePass : impl::AnnotatePassBase<AnnotatePass> {
  using AnnotatePassBase::AnnotatePassBase;
  void runOnOperation() override {
    const auto kind = llvm::StringSwitch<std::optional<Strategy>>(strategy)
                          .Case("DDP", Strategy::Ddp)
                          .Case("ZERO1", Strategy::Zero1)
                          .Case("ZERO2", Strategy::Zero2)
                          .Case("FSDP", Strategy::Fsdp)
                          .Default(std::nullopt);
    if (!kind) {
      getOperation().emitError("strategy is \"") << strategy << "\"; must be DDP, ZERO1, ZERO2 or FSDP";
      return signalPassFailure();
    }
    if (failed(annotateSharding(getOperation(), MeshSpec{ranks, shard}, *kind, frozen)))
      signalPassFailure();
  }
};

struct PropagatePass : impl::PropagatePassBase<PropagatePass> {
  void runOnOperation() override {
    if (failed(propagateSharding(getOperation())))
      signalPassFailure();
  }
};

struct PartitionPass : impl::PartitionPassBase<PartitionPass> {
  void runOnOperation() override {
    if (failed(insertCollectives(getOperation())))
      signalPassFailure();
  }
};

struct RemoveTrivialPass : impl::RemoveTrivialPassBase<RemoveTrivialPass> {
  void runOnOperation() override { removeTrivial(getOperation()); }
};

struct OverlapPass : impl::OverlapPassBase<OverlapPass> {
  using OverlapPassBase::OverlapPassBase;
  void runOnOperation() override {
    if (inFlight < 0) {
      getOperation().emitError("in-flight is ") << int64_t(inFlight) << "; must be at least 0 (0: no limit)";
      return signalPassFailure();
    }
    overlap(getOperation(), inFlight);
  }
};

} // namespace

void registerShardingPasses() { registerShardingPassesPasses(); }

} // namespace ft
