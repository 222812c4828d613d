#include "compiler/Model/Derivatives/Rules.h"
#include "compiler/Model/GradientBuilder.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

/// Sums by token id in the order that the host sorted the positions in: no atomics, the same bits every time. With a
/// tied head the sum goes on top of what the head's derivative has written.
struct EmbeddingRule : Derivative::ExternalModel<EmbeddingRule, EmbeddingOp> {
  LogicalResult buildDerivative(Operation *operation, GradientBuilder &gradients) const {
    auto op = cast<EmbeddingOp>(operation);
    if (!gradients.needs(op.getTable()))
      return success();
    SmallVector<Value> sorted;
    for (auto kind :
         {plan::BatchInput::SORTED_POSITIONS, plan::BatchInput::SEGMENT_STARTS, plan::BatchInput::SEGMENT_IDS}) {
      FailureOr<Value> input = gradients.input(op, kind);
      if (failed(input))
        return failure();
      sorted.push_back(*input);
    }
    gradients.addWeight(op.getTable(), [&](RankedTensorType type, Value accumulate) -> Value {
      return EmbeddingGradOp::create(gradients.builder(), gradients.loc(), type, gradients.cotangent(op.getResult()),
                                     sorted[0], sorted[1], sorted[2], accumulate);
    });
    return success();
  }
};

} // namespace

void ft::attachEmbeddingDerivative(MLIRContext *context) { EmbeddingOp::attachInterface<EmbeddingRule>(*context); }
