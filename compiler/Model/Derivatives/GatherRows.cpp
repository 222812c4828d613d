#include "compiler/Model/Derivatives/Again.h"
#include "compiler/Model/Derivatives/Rules.h"
#include "compiler/Model/GradientBuilder.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

/// Every token fetches what came for it, by the inverse of the index that it was taken by: no atomics, and no row that
/// has to be zeroed first.
struct GatherRowsRule : Derivative::ExternalModel<GatherRowsRule, GatherRowsOp> {
  LogicalResult buildDerivative(Operation *operation, GradientBuilder &gradients) const {
    auto op = cast<GatherRowsOp>(operation);
    if (!gradients.needs(op.getX()))
      return success();
    FailureOr<Value> slots = gradients.input(op, plan::BatchInput::TARGET_SLOTS);
    if (failed(slots))
      return failure();
    gradients.add(op.getX(), ScatterRowsOp::create(gradients.builder(), gradients.loc(), op.getX().getType(),
                                                   gradients.cotangent(op.getResult()), *slots));
    return success();
  }
};

} // namespace

void ft::attachGatherRowsDerivative(MLIRContext *context) {
  GatherRowsOp::attachInterface<GatherRowsRule, Again<GatherRowsOp, Recompute::Rows>>(*context);
}
