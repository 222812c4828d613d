// Collectives: a start is the step, on a stream of its own, and a done is nothing, since whoever reads its results
// waits for the step like for any other.
#include "compiler/Fusion/Programs/Programs.h"
#include "compiler/Planning/Steps/Steps.h"
#include "dialects/Dist/Dist.h"

#include <utility>

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

/// Shares from here on are copied to this rank before it sums them: copies take no multiprocessors from the products
/// beside them, and a sum of near memory holds them a fifth as long as one that reads peers (reports/gpu-ranks.md).
constexpr int64_t largeShare = 1 << 20; // elements

/// Equal shares in whole rows, or all of a short run for the first member.
static FailureOr<RankShare> shareOf(Operation *op, const Place &whole, int64_t members) {
  const int64_t elements = whole.rows * whole.columns;
  RankShare share{whole.elementType, members};
  if (elements % (members * bucketRow) == 0) {
    share.rows = elements / members / bucketRow;
    share.length = bucketRow;
    return share;
  }
  if (elements > bucketRow)
    return op->emitOpError("reduces ") << elements << " elements; must be a multiple of " << members << " times "
                                       << bucketRow << ", or at most " << bucketRow;
  share.rows = 1, share.length = elements;
  return share;
}

/// The message's fields that all collectives have.
template <typename Op> static CollectiveSpec specOf(Op op, plan::CollectiveKind kind) {
  auto mesh = SymbolTable::lookupNearestSymbolFrom<dist::MeshOp>(op, op.getMeshAttr());
  CollectiveSpec spec{kind, std::nullopt, {}, {}, {}, {}, {}};
  for (StringAttr axis : dist::axesOf(op.getAxes()))
    spec.axes.push_back(llvm::find(mesh.getAxes(), axis) - mesh.getAxes().begin());
  return spec;
}

template <typename Op> static int64_t membersOf(Op op) {
  auto mesh = SymbolTable::lookupNearestSymbolFrom<dist::MeshOp>(op, op.getMeshAttr());
  return mesh.getSize(dist::axesOf(op.getAxes()));
}

/// Values and what becomes of each.
template <typename Op> static auto runsOf(Op op) {
  auto done = cast<dist::DoneOp>(*op.getPending().user_begin());
  return llvm::zip_equal(op.getValues(), done.getResults());
}

/// What GPUs reduce `spec` with, one program for each member; `apart`: the reduction goes to another place.
template <typename Op> static LogicalResult addPrograms(Op op, bool apart, CollectiveSpec &spec, StepEmitter &out) {
  spec.reduction = reductionOf(op.getReduction());
  spec.programs.clear();
  if (!out.options.peersRead)
    return success();
  if (op.getReduction() == dist::Reduction::Max)
    return op.emitOpError("takes the largest; GPUs have no kernel for it");
  FailureOr<RankShare> share = shareOf(op, spec.whole.place, membersOf(op));
  if (failed(share))
    return failure();
  share->norm = op.getReduction() == dist::Reduction::Norm2;
  for (int64_t member = 0; member < share->members; ++member) {
    share->own = apart ? RankShare::apart : member;
    spec.programs.push_back(&out.kernels.get(share->norm ? "rank_norm" : "rank_sum", buildRankSum, *share));
  }
  spec.workspace.reset();
  if (share->rows * share->length >= largeShare) {
    const Place peers = out.values.scratch("peers", share->members - 1, share->rows * share->length, share->type);
    spec.workspace = PlaceUse{peers, 0, out.values.freshVersion()};
  }
  return success();
}

static LogicalResult emitAllReduce(dist::StartAllReduceOp op, StepEmitter &out) {
  CollectiveSpec spec = specOf(op, plan::CollectiveKind::AllReduce);
  for (auto [value, result] : runsOf(op)) {
    spec.whole = out.reading(value);
    if (out.values.place(value) != out.values.place(result)) {
      out.copy("own", out.reading(value), out.writing(result));
      spec.whole = out.reading(result);
    }
    spec.whole.write = out.values.version(result);
    if (failed(addPrograms(op, /*apart=*/false, spec, out)))
      return failure();
    out.collective("all_reduce", spec);
  }
  return success();
}

static LogicalResult emitReduceScatter(dist::StartReduceScatterOp op, StepEmitter &out) {
  CollectiveSpec spec = specOf(op, plan::CollectiveKind::ReduceScatter);
  for (auto [value, result] : runsOf(op)) {
    spec.whole = out.reading(value);
    spec.part = out.writing(result);
    if (failed(addPrograms(op, spec.part->place.buffer != spec.whole.place.buffer, spec, out)))
      return failure();
    out.collective("reduce_scatter", spec);
  }
  return success();
}

/// Gathers in place. Where a share lies apart from the whole, computation copies it to the rank's own run: copies
/// inside a device are kernels, which beside products wait for multiprocessors and hold up the exchange, and take from
/// the products more than they last (docs/rationale/collectives.md).
static LogicalResult emitAllGather(dist::StartAllGatherOp op, StepEmitter &out) {
  CollectiveSpec spec = specOf(op, plan::CollectiveKind::AllGather);
  auto mesh = SymbolTable::lookupNearestSymbolFrom<dist::MeshOp>(op, op.getMeshAttr());
  for (auto [value, result] : runsOf(op)) {
    spec.part = out.reading(value);
    spec.whole = out.writing(result);
    if (spec.part->place.buffer != spec.whole.place.buffer) {
      PlaceUse own{sharePlace(spec.whole.place, mesh, dist::axesOf(op.getAxes())), 0, out.values.freshVersion()};
      out.copy("own", *spec.part, own);
      std::swap(own.read, own.write);
      spec.part = own;
    }
    out.collective("all_gather", spec);
  }
  return success();
}

static LogicalResult emitDone(dist::DoneOp, StepEmitter &) { return success(); }

void ft::attachCollectiveSteps(MLIRContext &context) {
  attachSteps<dist::StartAllGatherOp, emitAllGather>(context);
  attachSteps<dist::StartAllReduceOp, emitAllReduce>(context);
  attachSteps<dist::StartReduceScatterOp, emitReduceScatter>(context);
  attachSteps<dist::DoneOp, emitDone>(context);
}
