// The derivative of a group of linears with their low-rank adapters.
//
// y_j = alpha · x · W_jᵀ + s_i · B_iᵀ, and each s_i is most often scale · x · A_iᵀ, made by a linear of its own (an
// adapter) whose results go nowhere else. Then one rule differentiates both: the scale goes into the product that
// makes ds = scale · dy · B, so that dA = dsᵀ · x and dx = [dy | ds] · [W; A] need none and dx is one sum of products.
// With dropout the adapter reads another tensor, and its dx is a product of its own.
#include "compiler/Model/Derivatives/Again.h"
#include "compiler/Model/Derivatives/Rules.h"
#include "compiler/Model/Derivatives/Unwidened.h"
#include "compiler/Model/GradientBuilder.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

/// dx = alpha · sum of grads[i] · weights[i].
struct ProductSum {
  SmallVector<Value> grads, weights;
  void push(Value grad, Value weight) {
    grads.push_back(grad);
    weights.push_back(weight);
  }
  void addTo(Value x, APFloat alpha, GradientBuilder &gradients) const {
    if (!grads.empty() && gradients.needs(x))
      gradients.add(x,
                    LinearBwdInputOp::create(gradients.builder(), gradients.loc(), x.getType(), grads, weights, alpha));
  }
};

void addWeightGradient(Value weight, Value grad, Value x, APFloat alpha, GradientBuilder &gradients) {
  gradients.addWeight(weight, [&](RankedTensorType type, Value accumulate) -> Value {
    return LinearBwdWeightOp::create(gradients.builder(), gradients.loc(), type, grad, x, accumulate, alpha);
  });
}

/// The adapter that makes `lowRank`, if all its results go into `base` alone.
LinearOp ownedAdapter(Value lowRank, LinearOp base) {
  auto adapter = lowRank.getDefiningOp<LinearOp>();
  if (!adapter || !adapter.getLowRank().empty())
    return nullptr;
  for (Value result : adapter.getResults())
    if (!result.hasOneUse() || *result.user_begin() != base || !llvm::is_contained(base.getLowRank(), result))
      return nullptr;
  return adapter;
}

struct Adapter {
  LinearOp op;
  ProductSum parts; ///< ds_i and A_i
};

/// Emits ds_i and dB_i of every pair; returns the adapters whose derivative is still to be emitted.
SmallVector<Adapter> differentiatePairs(LinearOp op, GradientBuilder &gradients) {
  SmallVector<Adapter> adapters;
  const APFloat one(1.0);
  // Asked before the first dB, which is one more use of s.
  auto owners = llvm::map_to_vector(op.getLowRank(), [&](Value s) { return ownedAdapter(s, op); });
  for (auto [s, b, of, adapter] : llvm::zip(op.getLowRank(), op.getLowRankWeights(), op.getLowRankOf(), owners)) {
    Value grad = unwidened(gradients.cotangent(op.getResults()[of]));
    if (!grad)
      continue;
    if (gradients.needs(s)) {
      Value ds = LinearBwdInputOp::create(gradients.builder(), gradients.loc(), s.getType(), ValueRange{grad},
                                          ValueRange{b}, adapter ? adapter.getAlpha() : one);
      if (!adapter) {
        gradients.add(s, ds);
      } else {
        if (adapters.empty() || adapters.back().op != adapter)
          adapters.push_back({adapter, {}});
        adapters.back().parts.push(ds, adapter.getWeights()[cast<OpResult>(s).getResultNumber()]);
      }
    }
    addWeightGradient(b, grad, s, one, gradients);
  }
  return adapters;
}

struct LinearRule : Derivative::ExternalModel<LinearRule, LinearOp> {
  LogicalResult buildDerivative(Operation *operation, GradientBuilder &gradients) const {
    auto op = cast<LinearOp>(operation);
    const APFloat one(1.0);
    SmallVector<Adapter> adapters = differentiatePairs(op, gradients);
    ProductSum sum;
    for (auto [weight, result] : llvm::zip(op.getWeights(), op.getResults()))
      if (Value grad = unwidened(gradients.cotangent(result)))
        sum.push(grad, weight);
    for (Adapter &adapter : adapters) {
      gradients.markDone(adapter.op);
      for (auto [ds, a] : llvm::zip(adapter.parts.grads, adapter.parts.weights))
        addWeightGradient(a, ds, adapter.op.getX(), one, gradients);
    }
    for (auto [grad, weight] : llvm::zip(sum.grads, sum.weights))
      addWeightGradient(weight, grad, op.getX(), op.getAlpha(), gradients);
    for (Adapter &adapter : adapters) {
      if (adapter.op.getX() == op.getX() && op.getAlpha() == one)
        for (auto [ds, a] : llvm::zip(adapter.parts.grads, adapter.parts.weights))
          sum.push(ds, a);
      else
        adapter.parts.addTo(adapter.op.getX(), one, gradients);
    }
    sum.addTo(op.getX(), op.getAlpha(), gradients);
    return success();
  }
};

/// Products are worth their memory only under pressure. What is much narrower than the rows that it is made from, as an
/// adapter's s, is kept: making it again reads all of these.
struct LinearAgain : Remade::ExternalModel<LinearAgain, LinearOp> {
  Recompute getRecompute(Operation *operation, OpResult result) const {
    constexpr int64_t narrow = 16;
    auto columns = [](Value value) { return cast<RankedTensorType>(value.getType()).getDimSize(1); };
    return columns(result) * narrow <= columns(cast<LinearOp>(operation).getX()) ? Recompute::Never
                                                                                 : Recompute::Products;
  }
  Value buildAgain(Operation *, OpResult result, OpBuilder &builder, IRMapping &there) const {
    return cloneAgain(result, builder, there);
  }
};

} // namespace

void ft::attachLinearDerivative(MLIRContext *context) { LinearOp::attachInterface<LinearRule, LinearAgain>(*context); }
