#include "compiler/Model/ScaleLoss.h"

#include "compiler/Model/Variables.h"

#include <array>

using namespace mlir;
using namespace ft;
using namespace ft::model;

constexpr double initialScale = 65536; // GradScaler's

static VariableOp declareScale(ModuleOp module) {
  OpBuilder builder(module.getContext());
  std::array<double, plan::LOSS_SCALE_COUNT> state{};
  state[plan::CURRENT_SCALE] = initialScale;
  state[plan::BETA1_POWER] = state[plan::BETA2_POWER] = 1;
  VariableOp scale = declareVariable(
      module, "loss_scale", RankedTensorType::get({plan::LOSS_SCALE_COUNT}, builder.getF64Type()), Role::LossScale);
  scale.setInitAttr(builder.getDictionaryAttr({builder.getNamedAttr("kind", builder.getStringAttr("numbers")),
                                               builder.getNamedAttr("numbers", builder.getDenseF64ArrayAttr(state))}));
  return scale;
}

LogicalResult ft::scaleLoss(ModuleOp module) {
  auto first = findSegment(module, plan::Segment::ACCUMULATE_FIRST);
  if (!first)
    return module.emitError("loss scaling needs @accumulate_first: differentiation comes before it");
  VariableOp scale = declareScale(module);
  for (func::FuncOp segment : {first, findSegment(module, plan::Segment::ACCUMULATE_FIRST_TARGETS)})
    if (segment)
      for (auto head : segment.getOps<HeadLossGradOp>())
        head.getLossScaleMutable().assign(readWhole(segment, scale));
  return success();
}
