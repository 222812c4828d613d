// The reverse walk itself is GradientBuilder's; the rules are in Derivatives/. Backward ops follow the forward ones in
// reverse order, each weight's gradient beside the gradient of its input, so that little is live at a time.
#include "compiler/Model/Differentiate.h"

#include "compiler/Model/GradientBuilder.h"
#include "compiler/Model/RemoveUnused.h"
#include "compiler/Model/Variables.h"

using namespace mlir;
using namespace ft::model;

LogicalResult ft::differentiate(ModuleOp module) {
  auto function = module.lookupSymbol<func::FuncOp>("forward");
  if (!function)
    return module.emitError("differentiation needs a function @forward");
  VariableOp loss = findOutput(module, plan::Output::LOSS);
  Value value;
  if (loss)
    for (auto write : function.getOps<WriteOp>())
      if (write.getVariable() == loss.getSymName())
        value = write.getValue();
  if (!value)
    return function.emitError("differentiation needs a write of the output of kind LOSS");
  GradientBuilder gradients(module, function);
  if (failed(gradients.run(value)))
    return failure();
  removeDeadOps(function);
  function.setSymName(plan::segmentName(plan::Segment::ACCUMULATE_FIRST));
  return success();
}
