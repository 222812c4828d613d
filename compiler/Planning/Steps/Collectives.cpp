// Collectives: a start is the step, on a stream of its own, and a done is nothing, since whoever reads its results
// waits for the step like for any other.
#include "compiler/Fusion/Programs/Programs.h"
#include "compiler/Planning/Steps/Steps.h"
#include "dialects/Dist/Dist.h"

using namespace mlir;
using namespace ft;

static std::optional<plan::Reduction> reductionOf(dist::Reduction reduction) {
  switch (reduction) {
  case dist::Reduction::Sum:
    return plan::Reduction::Sum;
  case dist::Reduction::Max:
    return plan::Reduction::Max;
  case dist::Reduction::Norm2:
    return plan::Reduction::Norm2;
  }
  return std::nullopt;
}

/// Rows, and so blocks of threads, of a large share: peers' memory is as fast with these, and products beside them keep
/// their multiprocessors (reports/collectives.md).
constexpr int64_t fewRows = 32, largeShare = 1 << 20; // elements

/// Equal shares in whole rows, or all of a short run for the first member.
static FailureOr<RankShare> shareOf(Operation *op, const Place &whole, int64_t members) {
  const int64_t elements = whole.rows * whole.columns;
  RankShare share{whole.elementType, members};
  if (elements % (members * bucketRow) == 0) {
    const int64_t own = elements / members; // bucketRow is a multiple of fewRows
    share.rows = own < largeShare ? own / bucketRow : fewRows;
    share.length = own / share.rows;
    return share;
  }
  if (elements > bucketRow)
    return op->emitOpError("reduces ") << elements << " elements; must be a multiple of " << members << " times "
                                       << bucketRow << ", or at most " << bucketRow;
  share.rows = 1, share.length = elements;
  return share;
}

static LogicalResult emitAllReduce(dist::StartAllReduceOp op, StepEmitter &out) {
  auto mesh = SymbolTable::lookupNearestSymbolFrom<dist::MeshOp>(op, op.getMeshAttr());
  CollectiveSpec spec{plan::CollectiveKind::AllReduce, reductionOf(op.getReduction()), {}, {}, {}};
  SmallVector<StringAttr> axes = dist::axesOf(op.getAxes());
  for (StringAttr axis : axes)
    spec.axes.push_back(llvm::find(mesh.getAxes(), axis) - mesh.getAxes().begin());
  const int64_t members = mesh.getSize(axes);
  auto done = cast<dist::DoneOp>(*op.getPending().user_begin());
  for (auto [value, result] : llvm::zip_equal(op.getValues(), done.getResults())) {
    spec.whole = out.reading(value);
    if (out.values.place(value) != out.values.place(result)) {
      out.copy("own", out.reading(value), out.writing(result));
      spec.whole = out.reading(result);
    }
    spec.whole.write = out.values.version(result);
    spec.programs.clear();
    if (out.options.peersRead) {
      if (op.getReduction() != dist::Reduction::Sum)
        return op.emitOpError("reduces by another rule than sum; GPUs have no kernel for it");
      FailureOr<RankShare> share = shareOf(op, spec.whole.place, members);
      if (failed(share))
        return failure();
      for (share->own = 0; share->own < members; ++share->own)
        spec.programs.push_back(&out.kernels.get("rank_sum", buildRankSum, *share));
    }
    out.collective("all_reduce", spec);
  }
  return success();
}

static LogicalResult emitDone(dist::DoneOp, StepEmitter &) { return success(); }

void ft::attachCollectiveSteps(MLIRContext &context) {
  attachSteps<dist::StartAllReduceOp, emitAllReduce>(context);
  attachSteps<dist::DoneOp, emitDone>(context);
}
