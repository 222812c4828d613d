// The reverse walk itself is GradientBuilder's; the rules are in Derivatives/. Backward ops follow the forward ones in
// reverse order, each weight's gradient beside the gradient of its input, so that little is live at a time.
#include "compiler/Model/Differentiate.h"

#include "compiler/Model/GradientBuilder.h"
#include "compiler/Model/RemoveUnused.h"
#include "compiler/Model/SelectTargets.h"
#include "compiler/Model/Variables.h"

using namespace mlir;
using namespace ft::model;

/// `function`, which becomes the segment `kind`.
static LogicalResult differentiateInto(ft::plan::Segment::Kind kind, func::FuncOp function, ModuleOp module) {
  VariableOp loss = ft::findOutput(module, ft::plan::Output::LOSS);
  Value value;
  if (loss)
    for (auto write : function.getOps<WriteOp>())
      if (write.getVariable() == loss.getSymName())
        value = write.getValue();
  if (!value)
    return function.emitError("differentiation needs a write of the output of kind LOSS");
  ft::GradientBuilder gradients(module, function);
  if (failed(gradients.run(value)))
    return failure();
  ft::removeDeadOps(function);
  function.setSymName(ft::plan::segmentName(kind));
  return success();
}

LogicalResult ft::differentiate(ModuleOp module) {
  auto function = module.lookupSymbol<func::FuncOp>(forwardName);
  if (!function)
    return module.emitError("differentiation needs a function @forward");
  auto ofTargets = module.lookupSymbol<func::FuncOp>(forwardTargetsName);
  if (failed(differentiateInto(plan::Segment::ACCUMULATE_FIRST, function, module)))
    return failure();
  return ofTargets ? differentiateInto(plan::Segment::ACCUMULATE_FIRST_TARGETS, ofTargets, module) : success();
}
