#include "compiler/Model/TrainingModule.h"

#include "compiler/Model/Accumulate.h"
#include "compiler/Model/AddOptimizer.h"
#include "compiler/Model/ApplyPrecision.h"
#include "compiler/Model/Differentiate.h"
#include "compiler/Model/InsertAdapters.h"
#include "compiler/Model/PrecisionTable.h"
#include "compiler/Model/QuantizeBase.h"
#include "compiler/Model/Recompute.h"
#include "compiler/Model/RemoveUnused.h"
#include "compiler/Model/ScaleLoss.h"
#include "compiler/Model/SelectTargets.h"
#include "compiler/Model/Variables.h"

#include "mlir/IR/Verifier.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

void ft::registerModel(DialectRegistry &registry) {
  registry.insert<FtDialect, func::FuncDialect>();
  registerPrecisionPolicies(registry);
  registerTokenWise(registry);
  registerDerivatives(registry);
}

namespace {

LogicalResult checkSegment(func::FuncOp function) {
  llvm::StringSet<> written;
  for (Operation &op : function.getBody().front()) {
    if (auto read = dyn_cast<ReadOp>(op); read && written.contains(read.getVariable()))
      return read.emitOpError("reads @") << read.getVariable() << " after this segment wrote it";
    if (auto write = dyn_cast<WriteOp>(op); write && !written.insert(write.getVariable()).second)
      return write.emitOpError("writes @") << write.getVariable() << " a second time in this segment";
  }
  return success();
}

} // namespace

LogicalResult ft::checkTrainingModule(ModuleOp module) {
  llvm::StringMap<llvm::StringSet<>> writes;
  llvm::StringSet<> used, differentiated;
  for (auto variable : module.getOps<VariableOp>())
    if (variable.getRole() == Role::Gradient)
      differentiated.insert(*variable.getOf());
  for (auto function : module.getOps<func::FuncOp>()) {
    if (failed(checkSegment(function)))
      return failure();
    for (auto write : function.getOps<WriteOp>()) {
      writes[function.getSymName()].insert(write.getVariable());
      used.insert(write.getVariable());
    }
    for (auto read : function.getOps<ReadOp>())
      used.insert(read.getVariable());
    if (plan::wholeKindOf(plan::segmentKind(function.getSymName())) != plan::Segment::EVALUATE)
      for (auto op : function.getOps<HeadLossOp>())
        return op.emitOpError("is left in a segment that differentiation should have changed");
  }
  for (auto variable : module.getOps<VariableOp>()) {
    if (variable.getPlace()) // its bucket is what segments use
      continue;
    if (variable.isTrained() && (!differentiated.contains(variable.getSymName()) ||
                                 !writes[plan::segmentName(plan::Segment::UPDATE)].contains(variable.getSymName())))
      return variable.emitOpError("is trained, but has no gradient or no update");
    if (!used.contains(variable.getSymName()))
      return variable.emitOpError("is used by no segment");
  }
  return success();
}

LogicalResult ft::buildTrainingModule(ModuleOp module, const ModelOptions &options, bool verifies) {
  auto isBroken = [&] { return verifies && failed(verify(module)); };
  if (options.lora && (failed(insertAdapters(module, *options.lora)) || isBroken()))
    return failure();
  if (options.quantization && failed(quantizeBase(module, *options.quantization)))
    return failure();
  if (failed(applyPrecision(module, options.precision, options.accumulationSteps > 1, options.copyAdapters,
                            options.bf16Gradients)) ||
      failed(verify(module))) // also the model as it was imported
    return failure();
  if (failed(selectTargets(module, options.targetBounds)) || isBroken())
    return failure();
  if (failed(differentiate(module)) || isBroken())
    return failure();
  if (failed(recompute(module, options.recompute)) || isBroken())
    return failure();
  if (options.precision == Precision::Fp16Mixed && (failed(scaleLoss(module)) || isBroken()))
    return failure();
  if (failed(accumulate(module, options.accumulationSteps)) || isBroken())
    return failure();
  if (failed(addOptimizer(module, options.optimizer)) || isBroken())
    return failure();
  removeUnused(module);
  return checkTrainingModule(module);
}
