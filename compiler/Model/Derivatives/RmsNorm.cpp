#include "compiler/Model/Derivatives/Rules.h"
#include "compiler/Model/GradientBuilder.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

/// Keeps x and rstd, not y.
struct RmsNormRule : Derivative::ExternalModel<RmsNormRule, RmsNormOp> {
  LogicalResult buildDerivative(Operation *operation, GradientBuilder &gradients) const {
    auto op = cast<RmsNormOp>(operation);
    Value grad = gradients.cotangent(op.getY());
    if (!grad || gradients.cotangent(op.getRstd()))
      return op.emitOpError("has a derivative with respect to y alone, not to rstd");
    OpBuilder &builder = gradients.builder();
    gradients.addWeight(op.getWeight(), [&](RankedTensorType type, Value accumulate) -> Value {
      return RmsNormWeightGradOp::create(builder, gradients.loc(), type, grad, op.getX(), op.getRstd(), accumulate);
    });
    if (gradients.needs(op.getX()))
      gradients.add(op.getX(),
                    RmsNormBwdOp::create(builder, gradients.loc(), op.getX().getType(), grad, op.getX(), op.getWeight(),
                                         op.getRstd(), op.getOffsetAttr(), op.getFeaturesAttr()));
    return success();
  }
};

/// One pass over x, which backward keeps anyway, instead of y.
struct RmsNormAgain : Remade::ExternalModel<RmsNormAgain, RmsNormOp> {
  Value buildAgain(Operation *operation, OpResult result, GradientBuilder &gradients) const {
    auto op = cast<RmsNormOp>(operation);
    if (result == op.getRstd())
      return result;
    return RmsNormApplyOp::create(gradients.builder(), gradients.loc(), result.getType(), op.getX(), op.getRstd(),
                                  op.getWeight(), op.getOffsetAttr());
  }
};

} // namespace

void ft::attachRmsNormDerivative(MLIRContext *context) {
  RmsNormOp::attachInterface<RmsNormRule, RmsNormAgain>(*context);
}
