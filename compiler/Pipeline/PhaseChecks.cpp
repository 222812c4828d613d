#include "compiler/Pipeline/PhaseChecks.h"

#include "compiler/Model/TrainingModule.h"
#include "compiler/Sharding/Boxing.h"
#include "dialects/Dist/Dist.h"
#include "dialects/Ft/Ft.h"
#include "dialects/Kernel/Kernel.h"
#include "dialects/Plan/PlanDialect.h"
#include "runtime/Plan/Kinds.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace ft;
using model::Role;
using model::VariableOp;

/// Each operation of the module itself is one of Ops.
template <typename... Ops> static LogicalResult checkModuleHolds(ModuleOp module, StringRef phase) {
  for (Operation &op : *module.getBody())
    if (!isa<Ops...>(op))
      return op.emitOpError("is left in the module behind ") << phase;
  return success();
}

/// Each operation of a segment is of one of these dialects.
template <typename... Dialects> static LogicalResult checkSegmentHolds(Block &segment, StringRef phase) {
  for (Operation &op : segment)
    if (!isa<func::ReturnOp>(op) && !isa_and_present<Dialects...>(op.getDialect()))
      return op.emitOpError("is left in a segment behind ") << phase;
  return success();
}

/// Filled before the first segment runs, by a file where one has it.
static bool needsInit(Role role) {
  return role != Role::Input && role != Role::Output && role != Role::Gradient && role != Role::WorkingCopy;
}

LogicalResult ft::checkModel(ModuleOp module) {
  if (failed((checkModuleHolds<VariableOp, func::FuncOp>(module, "Model"))))
    return failure();
  for (auto variable : module.getOps<VariableOp>())
    if (needsInit(variable.getRole()) && !variable.getInitAttr())
      return variable.emitOpError("has no init behind Model; nothing would fill it where no file does");
  for (auto segment : module.getOps<func::FuncOp>()) {
    if (plan::segmentKind(segment.getSymName()) == plan::Segment::KIND_UNSPECIFIED)
      return segment.emitOpError("@") << segment.getSymName() << " is left behind Model; it is no segment of a plan";
    if (failed(checkSegmentHolds<model::FtDialect>(segment.getBody().front(), "Model")))
      return failure();
  }
  return success();
}

static LogicalResult checkPart(VariableOp variable, dist::MeshOp mesh) {
  auto global = variable->getAttrOfType<TypeAttr>(dist::globalName);
  auto sharding = variable->getAttrOfType<dist::ShardingAttr>(dist::shardingName);
  if (!mesh && (global || sharding))
    return variable.emitOpError("has a sharding behind Sharding, and the module no dist.mesh");
  if (!global)
    return success();
  if (!sharding)
    return variable.emitOpError("has a global type behind Sharding, and no sharding that says which part it is");
  const RankedTensorType part = localType(cast<RankedTensorType>(global.getValue()), sharding, mesh);
  if (part != variable.getTensorType())
    return variable.emitOpError("is ") << variable.getTensorType() << " behind Sharding; one rank's part is " << part;
  return success();
}

LogicalResult ft::checkSharded(ModuleOp module) {
  if (failed((checkModuleHolds<VariableOp, func::FuncOp, dist::MeshOp>(module, "Sharding"))))
    return failure();
  dist::MeshOp mesh = findMesh(module);
  for (auto variable : module.getOps<VariableOp>())
    if (failed(checkPart(variable, mesh)))
      return failure();
  for (auto segment : module.getOps<func::FuncOp>()) {
    if (failed((checkSegmentHolds<model::FtDialect, dist::DistDialect>(segment.getBody().front(), "Sharding"))))
      return failure();
    for (Operation &op : segment.getBody().front()) {
      if (isa<dist::ConstraintOp, dist::ReshardOp>(op))
        return op.emitOpError("is left behind Sharding; its shape is global");
      if (op.hasAttr(dist::shardingName))
        return op.emitOpError("has a sharding behind Sharding; its shape should be one rank's");
    }
  }
  return checkTrainingModule(module);
}

/// Of a segment or of a kernel.fused.
static LogicalResult checkRowWise(Block &block, bool fused) {
  for (Operation &op : block) {
    if (isa<model::RowWise>(op) != fused && !isa<model::CastOp, kernel::YieldOp>(op))
      return fused ? op.emitOpError("is in a kernel.fused behind Fusion, and not row-wise")
                   : op.emitOpError("is row-wise, and in no kernel.fused behind Fusion");
    if (isa<kernel::FusedOp>(op) && failed(checkRowWise(op.getRegion(0).front(), true)))
      return failure();
  }
  return success();
}

LogicalResult ft::checkKernel(ModuleOp module) {
  for (auto segment : module.getOps<func::FuncOp>()) {
    Block &block = segment.getBody().front();
    if (failed((checkSegmentHolds<model::FtDialect, dist::DistDialect, kernel::KernelDialect>(block, "Fusion"))))
      return failure();
    if (plan::runsOnTokens(plan::segmentKind(segment.getSymName())) && failed(checkRowWise(block, false)))
      return failure();
  }
  return success();
}

LogicalResult ft::checkPlan(ModuleOp module) {
  if (failed((checkModuleHolds<plan::ArenaOp, plan::BufferOp, plan::TensorOp, plan::SegmentOp, kernel::FuncOp>(
          module, "Planning"))))
    return failure();
  for (auto buffer : module.getOps<plan::BufferOp>())
    if (!buffer.getOffset())
      return buffer.emitOpError("has no offset behind Planning");
  for (auto segment : module.getOps<plan::SegmentOp>())
    if (failed(checkSegmentHolds<plan::PlanDialect>(segment.getBody().front(), "Planning")))
      return failure();
  if (!module->hasAttr("plan.streams"))
    return module.emitOpError("has no plan.streams behind Planning");
  return success();
}
