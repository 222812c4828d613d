// Attention and the rotation of q and k before it.
#include "compiler/Model/Derivatives/Again.h"
#include "compiler/Model/Derivatives/Rules.h"
#include "compiler/Model/GradientBuilder.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

struct AttentionRule : Derivative::ExternalModel<AttentionRule, AttentionOp> {
  LogicalResult buildDerivative(Operation *operation, GradientBuilder &gradients) const {
    auto op = cast<AttentionOp>(operation);
    Value dO = gradients.cotangent(op.getO());
    if (!dO || gradients.cotangent(op.getLse()))
      return op.emitOpError("has a derivative with respect to its output alone, not to lse");
    auto backward = AttentionBwdOp::create(
        gradients.builder(), gradients.loc(), TypeRange{op.getQ().getType(), op.getK().getType(), op.getV().getType()},
        dO, op.getQ(), op.getK(), op.getV(), op.getO(), op.getLse(), op.getDocumentStart(), op.getDocumentOffsets(),
        op.getDocumentLens(), op.getHeads(), op.getKvHeads(), op.getHeadDim(), op.getSequenceLen(), op.getScale(),
        op.getWindowAttr());
    gradients.add(op.getQ(), backward.getDQ());
    gradients.add(op.getK(), backward.getDK());
    gradients.add(op.getV(), backward.getDV());
    return success();
  }
};

/// A rotation's transpose is the rotation by the opposite angle.
struct RopeRule : Derivative::ExternalModel<RopeRule, RopeOp> {
  LogicalResult buildDerivative(Operation *operation, GradientBuilder &gradients) const {
    auto op = cast<RopeOp>(operation);
    Value dQ = gradients.cotangent(op.getQOut()), dK = gradients.cotangent(op.getKOut());
    if (!dQ || !dK)
      return op.emitOpError("has a derivative only where the loss depends on both of its results");
    auto backward = RopeOp::create(gradients.builder(), gradients.loc(), TypeRange{dQ.getType(), dK.getType()}, dQ, dK,
                                   op.getPositions(), op.getCos(), op.getSin(), op.getHeadDim(), !op.getInverse());
    gradients.add(op.getQ(), backward.getQOut());
    gradients.add(op.getK(), backward.getKOut());
    return success();
  }
};

} // namespace

void ft::attachAttentionDerivatives(MLIRContext *context) {
  AttentionOp::attachInterface<AttentionRule, Again<AttentionOp, Recompute::Blocks>>(*context);
  RopeOp::attachInterface<RopeRule, Again<RopeOp, Recompute::Products>>(*context);
}
