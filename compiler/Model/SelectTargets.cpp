// A token without a target adds nothing to the loss, and nothing comes back for it. So the head needs the rows of the
// others alone, and so does what is computed for each token by itself and read by nothing else. One walk backwards from
// the head finds that; it ends at attention, which reads all tokens of a document, and at the residual stream in front
// of it. Padding behind the last target is token 0 with the label of no target.
//
// What is selected stands where the original stood, so that layers keep their places and backward its order.
#include "compiler/Model/SelectTargets.h"

#include "compiler/Model/Variables.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

class TargetSelector {
public:
  TargetSelector(func::FuncOp function, int64_t bound)
      : function(function), module(function->getParentOfType<ModuleOp>()), bound(bound),
        builder(function.getContext()) {}

  LogicalResult run() {
    auto heads = function.getOps<HeadLossOp>();
    if (!llvm::hasSingleElement(heads))
      return function.emitError("@") << function.getSymName()
                                     << ": rows of targets alone need exactly one ft.head_loss that reads them";
    HeadLossOp head = *heads.begin();
    const int64_t tokens = cast<RankedTensorType>(head.getX().getType()).getDimSize(0);
    if (bound >= tokens)
      return head.emitOpError("the bound on targets is ")
             << bound << "; must be below the " << tokens << " tokens of the micro-batch";
    const FailureOr<Value> rows = read(plan::BatchInput::TARGET_ROWS);
    if (failed(rows))
      return failure();
    const FailureOr<Value> labels = read(plan::BatchInput::TARGET_LABELS);
    if (failed(labels))
      return failure();
    find(head);
    build(*rows);
    builder.setInsertionPoint(head);
    head.getXMutable().assign(ofTargets(head.getX(), *rows, head));
    head.getLabelsMutable().assign(*labels);
    for (Operation *op : llvm::reverse(originals))
      op->erase();
    return success();
  }

private:
  /// The first elements of the input, as many as the bound.
  FailureOr<Value> read(plan::BatchInput::Kind kind) {
    VariableOp variable = findInput(module, kind);
    if (!variable)
      return function.emitError("@") << function.getSymName() << ": rows of targets alone need the input "
                                     << plan::BatchInput::Kind_Name(kind);
    if (variable.getTensorType().getDimSize(0) < bound)
      return variable.emitOpError("has ") << variable.getTensorType().getDimSize(0) << " elements; must have at least "
                                          << bound << ", the bound on targets";
    builder.setInsertionPointToStart(&function.getBody().front());
    return ReadOp::create(builder, placed(function.getContext(), variable.getSymName()),
                          variable.getTensorType().clone({bound}), variable.getSymName())
        .getValue();
  }

  /// What is read by the head, or by operations found before, and by nothing else.
  void find(HeadLossOp head) {
    for (Operation &op : llvm::reverse(function.getBody().front())) {
      auto tokenWise = dyn_cast<TokenWise>(op);
      auto isSelected = [&](OpOperand &use) {
        if (use.getOwner() == head)
          return use.get() == head.getX();
        auto user = dyn_cast<TokenWise>(use.getOwner());
        return selected.contains(use.getOwner()) && user.isTokenOperand(use.getOperandNumber());
      };
      if (tokenWise && !op.use_empty() && llvm::all_of(op.getUses(), isSelected))
        selected.insert(&op);
    }
  }

  void build(Value rows) {
    for (Operation &op : llvm::make_early_inc_range(function.getBody().front())) {
      if (!selected.contains(&op))
        continue;
      auto original = cast<TokenWise>(op);
      builder.setInsertionPoint(&op);
      for (OpOperand &operand : op.getOpOperands())
        if (original.isTokenOperand(operand.getOperandNumber()))
          ofTargets(operand.get(), rows, &op);
      Operation *made = original.buildForTokens(builder, there, rows);
      there.map(op.getResults(), made->getResults());
      originals.push_back(&op);
    }
  }

  /// The rows of `value` of tokens with a target; gathered in front of their first user, which is `user`.
  Value ofTargets(Value value, Value rows, Operation *user) {
    if (Value known = there.lookupOrNull(value))
      return known;
    auto type = cast<RankedTensorType>(value.getType());
    Value gathered = GatherRowsOp::create(builder, placed(function.getContext(), placeOf(user->getLoc()) + ".targets"),
                                          type.clone({bound, type.getDimSize(1)}), value, rows);
    there.map(value, gathered);
    return gathered;
  }

  func::FuncOp function;
  ModuleOp module;
  const int64_t bound;
  OpBuilder builder;
  llvm::DenseSet<Operation *> selected;
  SmallVector<Operation *> originals; ///< in order
  IRMapping there;                    ///< values of all tokens to those of targets
};

/// A copy of `name`, behind it, for at most `bound` targets.
LogicalResult addFor(ModuleOp module, StringRef name, StringRef copyName, int64_t bound) {
  if (bound == 0)
    return success();
  auto function = module.lookupSymbol<func::FuncOp>(name);
  if (!function)
    return module.emitError("a bound on targets needs a function @") << name;
  OpBuilder builder(module.getContext());
  builder.setInsertionPointAfter(function);
  auto copy = cast<func::FuncOp>(builder.clone(*function));
  copy.setSymName(copyName);
  return TargetSelector(copy, bound).run();
}

} // namespace

LogicalResult ft::selectTargets(ModuleOp module, const TargetBounds &bounds) {
  const std::string evaluate = plan::segmentName(plan::Segment::EVALUATE);
  const std::string evaluateTargets = plan::segmentName(plan::Segment::EVALUATE_TARGETS);
  if (failed(addFor(module, forwardName, forwardTargetsName, bounds.training)))
    return failure();
  return addFor(module, evaluate, evaluateTargets, bounds.evaluation);
}
