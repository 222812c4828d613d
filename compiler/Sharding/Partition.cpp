// dist-partition: from global types and reshards to local types and collectives. A walk in order: an operation's
// operands are local before its results become so.
#include "compiler/Sharding/Partition.h"
#include "compiler/Sharding/Annotate.h"
#include "compiler/Sharding/Boxing.h"
#include "compiler/Sharding/Factors/Factors.h"
#include "compiler/Sharding/Overlap.h"
#include "compiler/Sharding/Propagate.h"
#include "compiler/Sharding/RemoveTrivial.h"

#include "dialects/Ft/Ft.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace ft;
using namespace ft::dist;
using namespace ft::model;

namespace {

class Localizer {
public:
  Localizer(ModuleOp module, MeshOp mesh) : symbols(module), mesh(mesh), builder(module.getContext()) {}

  /// Variables first: reads are checked against their local types.
  LogicalResult localize(VariableOp variable) {
    auto sharding = variable->getAttrOfType<ShardingAttr>(shardingName);
    if (!sharding)
      return variable.emitOpError("has no ") << shardingName << "; dist-annotate must run first";
    RankedTensorType global = variable.getTensorType(), local = localType(global, sharding, mesh);
    if (local != global) {
      variable->setAttr(globalName, TypeAttr::get(global));
      variable.setType(local);
      if (variable.getBucket() || variable.getRole() == Role::RowNumbers)
        variable.setShares(global.getNumElements() / local.getNumElements());
    }
    if (sharding.isBroadcast())
      variable->removeAttr(shardingName);
    return success();
  }

  LogicalResult localize(func::FuncOp segment) {
    for (Operation &op : llvm::make_early_inc_range(segment.getBody().front())) {
      if (auto reshard = dyn_cast<ReshardOp>(op)) {
        if (failed(replace(reshard)))
          return failure();
      } else if (auto read = dyn_cast<ReadOp>(op)) {
        if (failed(localize(read)))
          return failure();
      } else if (op.getNumResults() > 0 && failed(localize(&op))) {
        return failure();
      }
    }
    return success();
  }

private:
  LogicalResult localize(Operation *op) {
    auto list = op->getAttrOfType<ArrayAttr>(shardingName);
    if (!list)
      return op->emitOpError("has no ") << shardingName << "; dist-propagate must run first";
    for (auto [result, sharding] : llvm::zip(op->getResults(), list.getAsRange<ShardingAttr>()))
      result.setType(localType(cast<RankedTensorType>(result.getType()), sharding, mesh));
    op->removeAttr(shardingName);
    return success();
  }

  LogicalResult localize(ReadOp read) {
    if (failed(localize(read.getOperation())))
      return failure();
    auto variable = symbols.lookup<VariableOp>(read.getVariable());
    auto type = cast<RankedTensorType>(read.getType());
    if (type.getDimSize(0) > variable.getTensorType().getDimSize(0))
      return read.emitOpError("reads ") << type.getDimSize(0) << " rows of @" << read.getVariable()
                                        << " on every rank; a rank's part has only "
                                        << variable.getTensorType().getDimSize(0);
    return success();
  }

  LogicalResult replace(ReshardOp reshard) {
    FailureOr<SmallVector<BoxingStep>> steps = box(reshard.getLoc(), reshard.getFrom(), reshard.getTo(), mesh);
    if (failed(steps))
      return failure();
    builder.setInsertionPoint(reshard);
    Value value = reshard.getX();
    for (const BoxingStep &step : *steps)
      value = emit(step, value, reshard.getLoc());
    reshard.getResult().replaceAllUsesWith(value);
    reshard.erase();
    return success();
  }

  Value emit(const BoxingStep &step, Value value, Location loc) {
    auto type = cast<RankedTensorType>(value.getType());
    const int64_t ranks = mesh.getSize(step.axes);
    SmallVector<Attribute> names(step.axes.begin(), step.axes.end());
    ArrayAttr axes = builder.getArrayAttr(names);
    auto pending = [&](RankedTensorType result) { return PendingType::get(type.getContext(), Type(result)); };
    auto resized = [&](int64_t size) {
      SmallVector<int64_t> shape(type.getShape());
      shape[step.dim] = size;
      return type.clone(shape);
    };
    switch (step.kind) {
    case BoxingStep::Kind::AllReduce:
      return done(
          StartAllReduceOp::create(builder, loc, pending(type), step.reduction, value, axes, mesh.getSymName()));
    case BoxingStep::Kind::ReduceScatter:
      return done(StartReduceScatterOp::create(builder, loc, pending(resized(type.getDimSize(step.dim) / ranks)),
                                               step.reduction, value, step.dim, axes, mesh.getSymName()));
    case BoxingStep::Kind::AllGather:
      return done(StartAllGatherOp::create(builder, loc, pending(resized(type.getDimSize(step.dim) * ranks)), value,
                                           step.dim, axes, mesh.getSymName()));
    case BoxingStep::Kind::Slice:
      return SliceOp::create(builder, loc, resized(type.getDimSize(step.dim) / ranks), value, step.dim, axes,
                             mesh.getSymName());
    }
    llvm_unreachable("a step without a collective");
  }

  Value done(Operation *start) { return DoneOp::create(builder, start->getLoc(), start->getResult(0)).getResult(0); }

  SymbolTable symbols;
  MeshOp mesh;
  OpBuilder builder;
};

} // namespace

LogicalResult ft::insertCollectives(ModuleOp module) {
  MeshOp mesh = findMesh(module);
  if (!mesh)
    return module.emitError("has no dist.mesh; dist-annotate must run first");
  Localizer localizer(module, mesh);
  for (auto variable : module.getOps<VariableOp>())
    if (failed(localizer.localize(variable)))
      return failure();
  for (auto segment : module.getOps<func::FuncOp>())
    if (failed(localizer.localize(segment)))
      return failure();
  return success();
}

void ft::registerSharding(DialectRegistry &registry) {
  registry.insert<DistDialect, FtDialect, func::FuncDialect>();
  registerFactors(registry);
}

SmallVector<MeshSpec::Axis, 2> MeshSpec::axes() const {
  if (shard == 0 || shard == dp)
    return {{"dp", dp}};
  return {{"dp_replicate", dp / shard}, {"dp_shard", shard}};
}

LogicalResult ft::partition(ModuleOp module, const MeshSpec &mesh, Strategy strategy, bool splitFrozen) {
  module.getContext()->loadDialect<DistDialect>();
  if (failed(annotateSharding(module, mesh, strategy, splitFrozen)) || failed(propagateSharding(module)) ||
      failed(insertCollectives(module)))
    return failure();
  // Here, before anything is moved for the sake of a collective that one rank does not have.
  removeTrivial(module);
  // A gathered weight or a whole gradient in flight is what sharding saves; replicas hold both anyway, unless gradients
  // leave for the host.
  const bool leave = llvm::any_of(module.getOps<VariableOp>(),
                                  [](VariableOp v) { return v.getRole() == Role::Gradient && v.getHost(); });
  overlap(module, strategy >= Strategy::Zero2 || splitFrozen || leave ? splitInFlight : 0);
  return success();
}
