#include "compiler/Model/Derivatives/Again.h"
#include "compiler/Model/Derivatives/Rules.h"
#include "compiler/Model/Derivatives/Unwidened.h"
#include "compiler/Model/GradientBuilder.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

struct AddRule : Derivative::ExternalModel<AddRule, AddOp> {
  LogicalResult buildDerivative(Operation *operation, GradientBuilder &gradients) const {
    auto op = cast<AddOp>(operation);
    Value grad = gradients.cotangent(op.getResult());
    gradients.add(op.getLhs(), grad);
    gradients.add(op.getRhs(), grad);
    return success();
  }
};

/// The bias's gradient is a sum over rows.
struct AddBiasRule : Derivative::ExternalModel<AddBiasRule, AddBiasOp> {
  LogicalResult buildDerivative(Operation *operation, GradientBuilder &gradients) const {
    auto op = cast<AddBiasOp>(operation);
    Value grad = unwidened(gradients.cotangent(op.getResult()));
    gradients.addWeight(op.getBias(), [&](RankedTensorType type, Value accumulate) -> Value {
      return BiasGradOp::create(gradients.builder(), gradients.loc(), type, grad, accumulate);
    });
    gradients.add(op.getX(), grad);
    return success();
  }
};

struct ScaleRule : Derivative::ExternalModel<ScaleRule, ScaleOp> {
  LogicalResult buildDerivative(Operation *operation, GradientBuilder &gradients) const {
    auto op = cast<ScaleOp>(operation);
    Value grad = gradients.cotangent(op.getResult());
    gradients.add(op.getX(),
                  ScaleOp::create(gradients.builder(), gradients.loc(), grad.getType(), grad, op.getFactor()));
    return success();
  }
};

struct CastRule : Derivative::ExternalModel<CastRule, CastOp> {
  LogicalResult buildDerivative(Operation *operation, GradientBuilder &gradients) const {
    auto op = cast<CastOp>(operation);
    gradients.add(op.getX(), gradients.cotangent(op.getResult()));
    return success();
  }
};

/// The same mask and scale again.
struct DropoutRule : Derivative::ExternalModel<DropoutRule, DropoutOp> {
  LogicalResult buildDerivative(Operation *operation, GradientBuilder &gradients) const {
    auto op = cast<DropoutOp>(operation);
    Value grad = gradients.cotangent(op.getResult());
    gradients.add(op.getX(), DropoutOp::create(gradients.builder(), gradients.loc(), grad.getType(), grad, op.getKey(),
                                               op.getScalars(), op.getRows(), op.getP(), op.getPaddingAttr()));
    return success();
  }
};

struct SwigluRule : Derivative::ExternalModel<SwigluRule, SwigluOp> {
  LogicalResult buildDerivative(Operation *operation, GradientBuilder &gradients) const {
    auto op = cast<SwigluOp>(operation);
    auto backward = SwigluBwdOp::create(
        gradients.builder(), gradients.loc(), TypeRange{op.getGate().getType(), op.getUp().getType()},
        gradients.cotangent(op.getResult()), op.getGate(), op.getUp(), op.getActivation());
    gradients.add(op.getGate(), backward.getDGate());
    gradients.add(op.getUp(), backward.getDUp());
    return success();
  }
};

} // namespace

// What stands between a product and who reads it is made again with it; sums are the residual stream. The mask of
// dropout is drawn again, since it depends on the position alone; SwiGLU's derivative has gate and up in registers.
void ft::attachElementwiseDerivatives(MLIRContext *context) {
  AddBiasOp::attachInterface<AddBiasRule, Again<AddBiasOp, Recompute::Products>>(*context);
  AddOp::attachInterface<AddRule, Again<AddOp, Recompute::Blocks>>(*context);
  CastOp::attachInterface<CastRule, Again<CastOp, Recompute::Products>>(*context);
  DropoutOp::attachInterface<DropoutRule, Again<DropoutOp, Recompute::Rows>>(*context);
  ScaleOp::attachInterface<ScaleRule, Again<ScaleOp, Recompute::Products>>(*context);
  SwigluOp::attachInterface<SwigluRule, Again<SwigluOp, Recompute::Rows, /*besideDerivative=*/true>>(*context);
}
