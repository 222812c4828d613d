#include "compiler/Sharding/GatherWeights.h"

#include "dialects/Dist/Dist.h"
#include "dialects/Ft/Ft.h"
#include "dialects/TypeBytes.h"
#include "runtime/Plan/Kinds.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace ft;
using namespace ft::dist;
using namespace ft::model;

namespace {

class WeightGatherer {
public:
  WeightGatherer(func::FuncOp segment, const SymbolTable &symbols)
      : segment(segment), symbols(symbols), builder(segment.getContext()) {
    for (auto read : segment.getOps<ReadOp>())
      if (auto variable = symbols.lookup<VariableOp>(read.getVariable()); variable && isSplitWeight(variable)) {
        split.insert(read);
        capacity = std::max(capacity, 2 * bytesOf(read));
      }
  }

  void run() {
    if (split.empty())
      return;
    for (Operation &op : llvm::make_early_inc_range(segment.getBody().front()))
      if (!isa<ViewOp, InsertOp>(op))
        for (OpOperand &operand : op.getOpOperands())
          if (ReadOp weight = weightOf(operand.get()))
            operand.set(wholeOf(weight, operand));
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(segment.getBody().front())))
      if (isa<ViewOp, InsertOp>(op) && op.use_empty())
        op.erase();
  }

private:
  /// What is gathered and not given up yet.
  struct Whole {
    Value value;
    llvm::DenseMap<int64_t, Value> members; ///< views, by offset
  };

  static bool isSplitWeight(VariableOp variable) {
    const Role role = variable.getRole();
    auto sharding = variable->getAttrOfType<ShardingAttr>(shardingName);
    return (role == Role::Frozen || role == Role::Trainable || role == Role::Adapter || role == Role::WorkingCopy) &&
           sharding && !sharding.isBroadcast();
  }

  static int64_t bytesOf(ReadOp read) {
    auto type = cast<RankedTensorType>(read.getType());
    return type.getNumElements() * elementBytes(type.getElementType());
  }

  /// The bucket that a member is viewed in, or the value itself.
  static Value bucketOf(Value value) {
    auto view = value.getDefiningOp<ViewOp>();
    return view ? view.getBucket() : value;
  }

  /// The read of a split weight that `value` is, or is a member of, with adapters or without; else null.
  ReadOp weightOf(Value value) const {
    value = bucketOf(value);
    auto insert = value.getDefiningOp<InsertOp>();
    auto read = (insert ? insert.getBucket() : value).getDefiningOp<ReadOp>();
    return read && split.contains(read) ? read : ReadOp();
  }

  /// What is gathered, and adapters again where they were.
  Value gather(ReadOp weight, Value bucket) {
    auto sharding = ShardingAttr::broadcast(meshOf(weight), cast<RankedTensorType>(weight.getType()).getRank());
    Value whole = ConstraintOp::create(builder, weight.getLoc(), weight.getValue(), sharding);
    auto insert = bucket.getDefiningOp<InsertOp>();
    if (!insert)
      return whole;
    auto again = cast<InsertOp>(builder.clone(*insert));
    again.getBucketMutable().assign(whole);
    return again.getResult();
  }

  Value wholeOf(ReadOp weight, OpOperand &use) {
    builder.setInsertionPoint(use.getOwner());
    Whole whole;
    if (auto it = held.find(weight); it != held.end()) {
      whole = it->second;
      held.erase(it); // to be the last
    } else {
      whole.value = gather(weight, bucketOf(use.get()));
    }
    Value value = whole.value;
    if (auto view = use.get().getDefiningOp<ViewOp>()) {
      Value &member = whole.members[view.getOffset()];
      if (!member)
        member = ViewOp::create(builder, view.getLoc(), view.getType(), whole.value, view.getOffset(), view.getPitch());
      value = member;
    }
    held.insert({weight, whole});
    giveUp();
    return value;
  }

  FlatSymbolRefAttr meshOf(ReadOp weight) {
    auto variable = symbols.lookup<VariableOp>(weight.getVariable());
    return variable->getAttrOfType<ShardingAttr>(shardingName).getMesh();
  }

  /// The longest unused first.
  void giveUp() {
    int64_t bytes = 0;
    for (auto &[weight, whole] : held)
      bytes += bytesOf(cast<ReadOp>(weight));
    while (bytes > capacity) {
      bytes -= bytesOf(cast<ReadOp>(held.front().first));
      held.erase(held.begin());
    }
  }

  func::FuncOp segment;
  const SymbolTable &symbols;
  OpBuilder builder;
  llvm::DenseSet<Operation *> split;        ///< reads
  llvm::MapVector<Operation *, Whole> held; ///< by read, the last used last
  int64_t capacity = 0;                     ///< bytes
};

} // namespace

void ft::gatherWeights(ModuleOp module) {
  SymbolTable symbols(module);
  for (auto segment : module.getOps<func::FuncOp>())
    if (plan::runsOnTokens(plan::segmentKind(segment.getSymName())))
      WeightGatherer(segment, symbols).run();
}
