// Backward is walked in order. Where an operation reads a value of the forward part that is to be made again, a clone
// of what makes it goes right before, and before that clones of what it reads, down to what is kept; later readers take
// the clones. So a value made again lives within its layer's backward pass, and its original dies in the forward part.
//
// Kept are, besides what the policy leaves, values that another layer reads: a block's input is where making again
// begins. What a derivative's kernel makes as well (SwiGLU's product) is cloned behind the derivative, and who reads it
// moves there with all that follows from it: gradients of weights, which nothing waits for.
#include "compiler/Model/Recompute.h"

#include "compiler/Model/ParkValues.h"
#include "compiler/Model/Variables.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

class Recomputation {
public:
  Recomputation(func::FuncOp function, const RecomputePolicy &policy)
      : block(function.getBody().front()), policy(policy), builder(function.getContext()) {}

  void run() {
    for (Operation *op = &block.front(); op; op = op->getNextNode()) {
      if (!isBackward(op))
        continue;
      if (Operation *derivative = awaitedBy(op)) {
        Operation *before = op->getPrevNode();
        moveBehind(op, derivative);
        op = before;
        continue;
      }
      builder.setInsertionPoint(op);
      for (OpOperand &operand : op->getOpOperands())
        operand.set(backwardsOwn(operand.get()));
    }
  }

private:
  /// Whether backward makes `value` again.
  bool isMadeAgain(Value value) const {
    auto op = value.getDefiningOp<Remade>();
    if (!op || isBackward(op))
      return false;
    const std::optional<int64_t> layer = layerOf(op);
    auto isElsewhere = [&](Operation *user) { return !isBackward(user) && layerOf(user) != layer; };
    return op.getRecompute(cast<OpResult>(value)) <= policy.of(layer) && llvm::none_of(value.getUsers(), isElsewhere);
  }

  /// What backward has of `value`: itself, or as it is made again, at the builder's place the first time.
  Value backwardsOwn(Value value) {
    if (!isMadeAgain(value))
      return value;
    if (Value known = again.lookup(value))
      return known;
    auto op = value.getDefiningOp<Remade>();
    IRMapping there;
    for (Value operand : op->getOperands())
      there.map(operand, backwardsOwn(operand));
    Value made = op.buildAgain(cast<OpResult>(value), builder, there);
    Operation *clone = made.getDefiningOp();
    clone->setLoc(placed(op->getContext(), placeOf(op->getLoc()) + ".again"));
    clone->setAttr(backwardName, builder.getUnitAttr());
    again[value] = made;
    if (clone->getName() == op->getName()) // all results at once
      for (auto [original, result] : llvm::zip_equal(op->getResults(), clone->getResults()))
        again[original] = result;
    return made;
  }

  /// The derivative, further down, that a value which `op` reads is made beside; null where it need not wait.
  Operation *awaitedBy(Operation *op) {
    for (Value operand : op->getOperands())
      if (Operation *derivative = besideWhich(operand))
        if (op->isBeforeInBlock(derivative) && !followersOf(op, derivative).contains(derivative))
          return derivative;
    return nullptr;
  }

  Operation *besideWhich(Value value) const {
    if (!isMadeAgain(value) || again.contains(value))
      return nullptr;
    auto op = value.getDefiningOp<Remade>();
    if (op.isMadeBesideDerivative())
      return derivativeOf(op);
    for (Value operand : op->getOperands())
      if (Operation *derivative = besideWhich(operand))
        return derivative;
    return nullptr;
  }

  /// The operation of backward that reads all that `op` reads.
  static Operation *derivativeOf(Operation *op) {
    for (Operation *user : op->getOperand(0).getUsers())
      if (isBackward(user) &&
          llvm::all_of(op->getOperands(), [&](Value read) { return llvm::is_contained(user->getOperands(), read); }))
        return user;
    return nullptr;
  }

  /// `op` and what follows from it, up to `last`.
  static llvm::SetVector<Operation *> followersOf(Operation *op, Operation *last) {
    llvm::SetVector<Operation *> all;
    all.insert(op);
    for (size_t i = 0; i < all.size(); ++i)
      for (Operation *user : all[i]->getUsers())
        if (user == last || user->isBeforeInBlock(last))
          all.insert(user);
    return all;
  }

  /// Behind what was moved there before.
  void moveBehind(Operation *op, Operation *derivative) {
    SmallVector<Operation *> moved = followersOf(op, derivative).takeVector();
    llvm::sort(moved, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
    Operation *&last = lastBehind.try_emplace(derivative, derivative).first->second;
    for (Operation *follower : moved) {
      follower->moveAfter(last);
      last = follower;
    }
  }

  Block &block;
  const RecomputePolicy &policy;
  OpBuilder builder;
  llvm::DenseMap<Value, Value> again; ///< by the forward part's
  llvm::DenseMap<Operation *, Operation *> lastBehind;
};

} // namespace

LogicalResult ft::recompute(ModuleOp module, const RecomputePolicy &policy) {
  func::FuncOp function = findSegment(module, plan::Segment::ACCUMULATE_FIRST);
  if (!function)
    return module.emitError("what backward makes again needs @accumulate_first, which differentiation makes");
  for (func::FuncOp segment : {function, findSegment(module, plan::Segment::ACCUMULATE_FIRST_TARGETS)})
    if (segment) {
      Recomputation(segment, policy).run();
      parkValues(segment, policy.park);
    }
  return success();
}
