// dist-annotate: the seeds from which everything else follows.
//
// The batch is split along tokens over all axes in every strategy: inputs with one element per token, or per target,
// are S(0), the host's tables are each rank's own (Boxing.h explains both), scalars are the same everywhere.
//
// What else is S(0), over the last axis, is what a strategy splits (Partition.h); all other variables are B. A gradient
// that is B has the backward pass end with its all_reduce, one that is S with its reduce_scatter. Where micro-batches
// accumulate, DDP and ZERO1 let a bucket's gradient be P, and what the last of them leaves for @update is another
// variable (SeparateReduced.h); where gradients are split themselves, each micro-batch is reduced by itself, and its
// share added (SumShares.h). A parameter that segments read, and no working copy of it, is a state that stays B: its
// update takes a slice and ends with a gather. Uses of a split weight ask for the whole of it (GatherWeights.h).
#include "compiler/Sharding/Annotate.h"
#include "compiler/Sharding/Boxing.h"
#include "compiler/Sharding/GatherWeights.h"
#include "compiler/Sharding/SeparateReduced.h"
#include "compiler/Sharding/SumShares.h"

#include "dialects/Ft/Ft.h"
#include "runtime/Plan/Kinds.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/InterleavedRange.h"

#include <algorithm>
#include <optional>

using namespace mlir;
using namespace ft;
using namespace ft::dist;
using namespace ft::model;

namespace {

constexpr llvm::StringLiteral meshName = "mesh";

enum class PerInput { Token, Document, Index, Segment, Same };

/// What the elements of an input go by.
PerInput elementsOf(plan::BatchInput::Kind kind) {
  switch (kind) {
  case plan::BatchInput::TOKENS:
  case plan::BatchInput::LABELS:
  case plan::BatchInput::POSITIONS:
  case plan::BatchInput::DOCUMENT_START:
  case plan::BatchInput::TARGET_LABELS:
    return PerInput::Token;
  case plan::BatchInput::DOCUMENT_OFFSETS:
  case plan::BatchInput::DOCUMENT_LENS:
    return PerInput::Document;
  case plan::BatchInput::SORTED_POSITIONS:
  case plan::BatchInput::TARGET_ROWS:
  case plan::BatchInput::TARGET_SLOTS:
    return PerInput::Index;
  case plan::BatchInput::SEGMENT_STARTS:
  case plan::BatchInput::SEGMENT_IDS:
    return PerInput::Segment;
  default:
    return PerInput::Same;
  }
}

plan::BatchInput::Kind kindOf(VariableOp input) { return plan::inputKind(*input.getIo()); }

class Annotator {
public:
  Annotator(ModuleOp module, const MeshSpec &spec, Strategy strategy, bool splitFrozen)
      : module(module), strategy(strategy), splitFrozen(splitFrozen), ranks(spec.dp), builder(module.getContext()),
        mesh(FlatSymbolRefAttr::get(module.getContext(), meshName)) {
    for (const MeshSpec::Axis &axis : spec.axes()) {
      axes.push_back(builder.getStringAttr(axis.name));
      sizes.push_back(axis.size);
    }
  }

  LogicalResult run() {
    if (ranks < 1)
      return module.emitError("the mesh has ") << ranks << " data-parallel ranks; must have at least 1";
    if (findMesh(module) || module.lookupSymbol(meshName))
      return module.emitError("has a symbol @") << meshName << " already; dist-annotate must run once";
    builder.setInsertionPointToStart(module.getBody());
    const SmallVector<Attribute> names(axes.begin(), axes.end());
    MeshOp::create(builder, module.getLoc(), meshName, builder.getArrayAttr(names), sizes);
    if (ranks > 1)
      strategy >= Strategy::Zero2 ? sumShares(module) : separateReduced(module);
    accumulates = module.lookupSymbol(plan::segmentName(plan::Segment::ACCUMULATE_NEXT)) != nullptr;
    for (auto variable : module.getOps<VariableOp>()) {
      if (variable.getRole() == Role::Input && kindOf(variable) == plan::BatchInput::TOKENS)
        tokens = variable.getTensorType().getDimSize(0);
      if (variable.getRole() == Role::WorkingCopy)
        copied.insert(*variable.getOf());
    }
    symbols.emplace(module);
    for (auto variable : module.getOps<VariableOp>())
      if (failed(annotate(variable)))
        return failure();
    if (ranks > 1)
      gatherWeights(module);
    return success();
  }

private:
  ShardingAttr broadcast(VariableOp variable) {
    return ShardingAttr::broadcast(mesh, variable.getTensorType().getRank());
  }

  LogicalResult set(VariableOp variable, ShardingAttr sharding) {
    variable->setAttr(shardingName, sharding);
    return success();
  }

  LogicalResult split(VariableOp variable, ArrayRef<StringAttr> over) {
    const int64_t size = variable.getTensorType().getDimSize(0);
    if (failed(checkDivides(variable, size, over)))
      return failure();
    return set(variable, broadcast(variable).withDim(0, over));
  }

  LogicalResult own(VariableOp variable, int64_t size) {
    return set(variable, broadcast(variable).withDim(0, axes, size));
  }

  LogicalResult checkDivides(VariableOp variable, int64_t size, ArrayRef<StringAttr> over) {
    int64_t parts = 1;
    for (auto [axis, ranksAlong] : llvm::zip_equal(axes, sizes))
      parts *= llvm::is_contained(over, axis) ? ranksAlong : 1;
    if (size % parts == 0)
      return success();
    return variable.emitOpError("@") << variable.getSymName() << ": dimension 0 has " << size
                                     << " elements; must be a multiple of " << parts << ", the size of mesh axis "
                                     << llvm::interleaved(over) << " (other sizes: change the number of ranks)";
  }

  LogicalResult annotate(VariableOp variable) {
    if (variable.getRole() == Role::Input)
      return annotateInput(variable);
    if (isSplit(variable))
      return split(variable, axes.back());
    const bool accumulator = variable.getRole() == Role::Gradient && accumulates && !variable.getPlace();
    return set(variable, accumulator ? broadcast(variable).withPartial(axes, Reduction::Sum) : broadcast(variable));
  }

  /// A member of a bucket lies where that does, and is a row of the parameter map alone.
  bool isSplit(VariableOp variable) {
    if (variable.getPlace() && !variable.getBucket())
      return false;
    switch (variable.getRole()) {
    case Role::Frozen:
      return splitFrozen;
    case Role::Trainable:
      return strategy == Strategy::Fsdp || isState(variable);
    case Role::Adapter:
      return isState(variable);
    case Role::WorkingCopy:
      return strategy == Strategy::Fsdp && !isOfAdapter(variable);
    case Role::ExpAvg:
    case Role::ExpAvgSq:
    case Role::ExpAvgScales:
    case Role::ExpAvgSqScales:
    case Role::Remainder:
    case Role::RowNumbers: // of the shares that moments have
      return strategy >= Strategy::Zero1;
    case Role::Gradient: // of a whole step, where it is not split before
      return strategy >= Strategy::Zero2 || (strategy == Strategy::Zero1 && (!accumulates || variable.getPlace()));
    case Role::ConstantTable:
    case Role::RandomKeys:
    case Role::LossScale:
    case Role::Kept:
    case Role::Input:
    case Role::Output:
      return false;
    }
    llvm_unreachable("a role without a sharding");
  }

  /// A parameter that segments read a working copy of, in its bucket or elsewhere.
  bool isState(VariableOp parameter) {
    return strategy >= Strategy::Zero1 && (parameter.getHost() || copied.contains(parameter.getSymName()));
  }

  bool isOfAdapter(VariableOp copy) { return symbols->lookup<VariableOp>(*copy.getOf()).getRole() == Role::Adapter; }

  LogicalResult annotateInput(VariableOp variable) {
    const int64_t size = variable.getTensorType().getDimSize(0), share = tokens / ranks;
    const plan::BatchInput::Kind kind = kindOf(variable);
    switch (elementsOf(kind)) {
    case PerInput::Token:
      return split(variable, axes);
    case PerInput::Index:
      return failed(checkDivides(variable, size, axes)) ? failure() : own(variable, size / ranks);
    case PerInput::Document: {
      const int64_t fence = kind == plan::BatchInput::DOCUMENT_OFFSETS; // one offset more than documents
      return failed(checkDivides(variable, size - fence, axes)) ? failure()
                                                                : own(variable, (size - fence) / ranks + fence);
    }
    case PerInput::Segment: { // a rank's tokens have at most as many different ids
      const int64_t fence = kind == plan::BatchInput::SEGMENT_STARTS;
      return own(variable, std::min(size - fence, share) + fence);
    }
    case PerInput::Same:
      return set(variable, broadcast(variable));
    }
    llvm_unreachable("an input without a sharding");
  }

  ModuleOp module;
  const Strategy strategy;
  const bool splitFrozen;
  const int64_t ranks;
  int64_t tokens = 0;
  bool accumulates = false;
  std::optional<SymbolTable> symbols;
  llvm::StringSet<> copied; ///< parameters with working copies
  OpBuilder builder;
  FlatSymbolRefAttr mesh;
  SmallVector<StringAttr, 2> axes;
  SmallVector<int64_t, 2> sizes;
};

} // namespace

LogicalResult ft::annotateSharding(ModuleOp module, const MeshSpec &mesh, Strategy strategy, bool splitFrozen) {
  return Annotator(module, mesh, strategy, splitFrozen).run();
}
