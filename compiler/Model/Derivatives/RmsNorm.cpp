#include "compiler/Model/Derivatives/Rules.h"
#include "compiler/Model/GradientBuilder.h"
#include "compiler/Model/RecomputePolicy.h"

#include "mlir/IR/IRMapping.h"

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

/// One pass over x, which the derivative reads anyway, instead of y. The statistics are small.
struct RmsNormAgain : Remade::ExternalModel<RmsNormAgain, RmsNormOp> {
  Recompute getRecompute(Operation *operation, OpResult result) const {
    return result == cast<RmsNormOp>(operation).getY() ? Recompute::Rows : Recompute::Never;
  }
  Value buildAgain(Operation *operation, OpResult result, OpBuilder &builder, IRMapping &there) const {
    auto op = cast<RmsNormOp>(operation);
    return RmsNormApplyOp::create(builder, op.getLoc(), result.getType(), there.lookupOrDefault(op.getX()),
                                  there.lookupOrDefault(op.getRstd()), there.lookupOrDefault(op.getWeight()),
                                  op.getOffsetAttr());
  }
};

} // namespace

void ft::attachRmsNormDerivative(MLIRContext *context) {
  RmsNormOp::attachInterface<RmsNormRule, RmsNormAgain>(*context);
}
