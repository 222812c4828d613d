// dist-annotate: the seeds from which everything else follows.
//
// The batch is split along tokens in both strategies: inputs with one element per token are S(0), the host's tables are
// each rank's own (Boxing.h explains both), scalars are the same everywhere.
//
// DDP: parameters, moments and working copies are B. A gradient is B too, so that backward ends with its all_reduce;
// where micro-batches accumulate, what a bucket accumulates is P, and what its last micro-batch leaves for @update
// (SeparateReduced.h) is B. FSDP: parameters, gradients, moments and working copies
// are S(0), frozen weights included. Each use of a weight outside @update and @initialize asks for the whole of it
// (dist.constraint). A gradient is reduce-scattered in every micro-batch: keeping it whole until the last would take
// back what FSDP saves.
#include "compiler/Sharding/Annotate.h"
#include "compiler/Sharding/Boxing.h"
#include "compiler/Sharding/SeparateReduced.h"

#include "dialects/Ft/Ft.h"
#include "runtime/Plan/Kinds.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

#include <algorithm>

using namespace mlir;
using namespace ft;
using namespace ft::dist;
using namespace ft::model;

namespace {

constexpr llvm::StringLiteral meshName = "mesh";

enum class PerInput { Token, Document, Sorted, Segment, Same };

/// What the elements of an input go by.
PerInput elementsOf(plan::BatchInput::Kind kind) {
  switch (kind) {
  case plan::BatchInput::TOKENS:
  case plan::BatchInput::LABELS:
  case plan::BatchInput::POSITIONS:
  case plan::BatchInput::DOCUMENT_START:
    return PerInput::Token;
  case plan::BatchInput::DOCUMENT_OFFSETS:
  case plan::BatchInput::DOCUMENT_LENS:
    return PerInput::Document;
  case plan::BatchInput::SORTED_POSITIONS:
    return PerInput::Sorted;
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
  Annotator(ModuleOp module, const MeshSpec &spec, Strategy strategy)
      : module(module), strategy(strategy), ranks(spec.dp), builder(module.getContext()),
        mesh(FlatSymbolRefAttr::get(module.getContext(), meshName)), axis(builder.getStringAttr(MeshSpec::axis)) {}

  LogicalResult run() {
    if (ranks < 1)
      return module.emitError("the mesh has ") << ranks << " data-parallel ranks; must have at least 1";
    if (findMesh(module) || module.lookupSymbol(meshName))
      return module.emitError("has a symbol @") << meshName << " already; dist-annotate must run once";
    builder.setInsertionPointToStart(module.getBody());
    MeshOp::create(builder, module.getLoc(), meshName, builder.getStrArrayAttr({StringRef(MeshSpec::axis)}),
                   ArrayRef<int64_t>{ranks});
    if (ranks > 1)
      separateReduced(module);
    accumulates = module.lookupSymbol(plan::segmentName(plan::Segment::ACCUMULATE_NEXT)) != nullptr;
    for (auto variable : module.getOps<VariableOp>())
      if (variable.getRole() == Role::Input && kindOf(variable) == plan::BatchInput::TOKENS)
        tokens = variable.getTensorType().getDimSize(0);
    for (auto variable : module.getOps<VariableOp>())
      if (failed(annotate(variable)))
        return failure();
    if (strategy == Strategy::Ddp)
      return success();
    SymbolTable symbols(module);
    for (auto segment : module.getOps<func::FuncOp>())
      if (plan::runsOnTokens(plan::segmentKind(segment.getSymName())))
        gatherWeights(segment, symbols);
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

  LogicalResult split(VariableOp variable) {
    const int64_t size = variable.getTensorType().getDimSize(0);
    if (failed(checkDivides(variable, size)))
      return failure();
    return set(variable, broadcast(variable).withDim(0, {axis}));
  }

  LogicalResult own(VariableOp variable, int64_t size) {
    return set(variable, broadcast(variable).withDim(0, {axis}, size));
  }

  LogicalResult checkDivides(VariableOp variable, int64_t size) {
    if (size % ranks == 0)
      return success();
    return variable.emitOpError("@") << variable.getSymName() << ": dimension 0 has " << size
                                     << " elements; must be a multiple of " << ranks << ", the size of mesh axis "
                                     << axis << " (other sizes: change the number of ranks)";
  }

  LogicalResult annotate(VariableOp variable) {
    if (strategy == Strategy::Fsdp && variable.getPlace())
      return variable.emitOpError("@") << variable.getSymName() << " lies in a bucket, which every rank holds whole; "
                                       << "FSDP must run before --ft-lay-out";
    switch (variable.getRole()) {
    case Role::Input:
      return annotateInput(variable);
    case Role::Frozen:
    case Role::Trainable:
    case Role::Adapter:
    case Role::WorkingCopy:
    case Role::ExpAvg:
    case Role::ExpAvgSq:
      return strategy == Strategy::Fsdp ? split(variable) : set(variable, broadcast(variable));
    case Role::Gradient:
      if (strategy == Strategy::Fsdp)
        return split(variable);
      return set(variable,
                 accumulator(variable) ? broadcast(variable).withPartial({axis}, Reduction::Sum) : broadcast(variable));
    case Role::ConstantTable:
    case Role::RandomKeys:
    case Role::Output:
      return set(variable, broadcast(variable));
    }
    llvm_unreachable("a role without a sharding");
  }

  /// A sum of this rank's own, over the micro-batches of a step.
  bool accumulator(VariableOp gradient) { return accumulates && !gradient.getPlace(); }

  LogicalResult annotateInput(VariableOp variable) {
    const int64_t size = variable.getTensorType().getDimSize(0), share = tokens / ranks;
    const plan::BatchInput::Kind kind = kindOf(variable);
    switch (elementsOf(kind)) {
    case PerInput::Token:
      return split(variable);
    case PerInput::Sorted:
      return failed(checkDivides(variable, size)) ? failure() : own(variable, share);
    case PerInput::Document: {
      const int64_t fence = kind == plan::BatchInput::DOCUMENT_OFFSETS; // one offset more than documents
      return failed(checkDivides(variable, size - fence)) ? failure() : own(variable, (size - fence) / ranks + fence);
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

  /// Puts a constraint behind each read of a weight.
  void gatherWeights(func::FuncOp segment, SymbolTable &symbols) {
    for (auto read : llvm::make_early_inc_range(segment.getOps<ReadOp>())) {
      auto variable = symbols.lookup<VariableOp>(read.getVariable());
      if (!variable || !isWeight(variable.getRole()))
        continue;
      builder.setInsertionPointAfter(read);
      auto whole = ConstraintOp::create(builder, read.getLoc(), read.getValue(), broadcast(variable));
      read.getValue().replaceAllUsesExcept(whole, whole);
    }
  }

  static bool isWeight(Role role) {
    return role == Role::Frozen || role == Role::Trainable || role == Role::Adapter || role == Role::WorkingCopy;
  }

  ModuleOp module;
  Strategy strategy;
  int64_t ranks, tokens = 0;
  bool accumulates = false;
  OpBuilder builder;
  FlatSymbolRefAttr mesh;
  StringAttr axis;
};

} // namespace

LogicalResult ft::annotateSharding(ModuleOp module, const MeshSpec &mesh, Strategy strategy) {
  return Annotator(module, mesh, strategy).run();
}
