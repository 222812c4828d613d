#include "compiler/Model/Derivatives/Rules.h"
#include "compiler/Model/GradientBuilder.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

/// Loss and gradients come from one op, so that logits are made once and never held whole: it takes the place of the
/// forward op, whose result is the loss itself.
struct HeadLossRule : Derivative::ExternalModel<HeadLossRule, HeadLossOp> {
  LogicalResult buildDerivative(Operation *operation, GradientBuilder &gradients) const {
    auto op = cast<HeadLossOp>(operation);
    if (!gradients.isLoss(op.getLoss()))
      return op.emitOpError("has a derivative only where its result is the loss itself");
    HeadLossGradOp backward;
    auto build = [&](RankedTensorType weightType, Value accumulate) -> Value {
      backward = HeadLossGradOp::create(gradients.builder(), gradients.loc(), op.getLoss().getType(),
                                        op.getX().getType(), weightType, op.getX(), op.getWeight(), op.getLabels(),
                                        op.getScalars(), /*loss_scale=*/Value(), accumulate);
      return backward.getDw();
    };
    if (gradients.needs(op.getWeight()))
      gradients.addWeight(op.getWeight(), build);
    else
      build(nullptr, nullptr);
    gradients.replaceLoss(backward.getLoss());
    gradients.add(op.getX(), backward.getDx());
    return success();
  }
};

} // namespace

void ft::attachHeadLossDerivative(MLIRContext *context) { HeadLossOp::attachInterface<HeadLossRule>(*context); }
