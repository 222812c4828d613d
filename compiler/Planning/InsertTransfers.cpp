#include "compiler/Planning/InsertTransfers.h"

#include "dialects/Ft/Ft.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SmallVectorExtras.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

class TransferInserter {
public:
  TransferInserter(func::FuncOp segment, const SymbolTable &symbols)
      : symbols(symbols), builder(segment.getContext()), block(segment.getBody().front()) {}

  void run() {
    for (Operation &op : llvm::make_early_inc_range(block))
      if (isOnHost(&op))
        markHost(&op);
    for (Operation &op : llvm::make_early_inc_range(block))
      for (OpOperand *operand : bySize(op))
        if (operand->get().getDefiningOp() && hosts.contains(operand->get()) != readsOnHost(*operand))
          operand->set(moved(*operand));
  }

private:
  /// Scalars first: they are there at once, and what they stand in front of need not be.
  static SmallVector<OpOperand *> bySize(Operation &op) {
    SmallVector<OpOperand *> operands = llvm::map_to_vector(op.getOpOperands(), [](OpOperand &o) { return &o; });
    auto size = [](OpOperand *operand) {
      auto type = dyn_cast<RankedTensorType>(operand->get().getType());
      return type ? type.getNumElements() : 0;
    };
    llvm::stable_sort(operands, [&](OpOperand *a, OpOperand *b) { return size(a) < size(b); });
    return operands;
  }
  bool isHostVariable(StringRef name) const {
    auto variable = symbols.lookup<VariableOp>(name);
    return variable && variable.getHost();
  }

  /// Of the operations of a segment those whose results lie on the host: reads there, updates, and the cast that an
  /// update's kernel does as well.
  bool isOnHost(Operation *op) const {
    if (auto read = dyn_cast<ReadOp>(op))
      return isHostVariable(read.getVariable());
    const bool follows =
        isa<Optimizer>(op) || (isa<CastOp>(op) && isa_and_nonnull<Optimizer>(op->getOperand(0).getDefiningOp()));
    return follows && hosts.contains(op->getOperand(0));
  }

  void markHost(Operation *op) {
    operations.insert(op);
    for (Value result : op->getResults())
      hosts.insert(result);
  }

  /// Where an operation wants its operand.
  bool readsOnHost(OpOperand &operand) const {
    if (auto write = dyn_cast<WriteOp>(operand.getOwner()))
      return isHostVariable(write.getVariable());
    return operations.contains(operand.getOwner());
  }

  /// The operand in the other memory: the same transfer for all that read it behind its first reader.
  Value moved(OpOperand &operand) {
    Value &there = transfers[operand.get()];
    if (!there) {
      builder.setInsertionPoint(operand.getOwner());
      there = TransferOp::create(builder, operand.get().getLoc(), operand.get().getType(), operand.get(),
                                 /*to_host=*/readsOnHost(operand));
    }
    return there;
  }

  const SymbolTable &symbols;
  OpBuilder builder;
  Block &block;
  llvm::DenseSet<Operation *> operations; ///< that run on the host
  llvm::DenseSet<Value> hosts;            ///< values that lie there
  llvm::DenseMap<Value, Value> transfers; ///< by value
};

} // namespace

void ft::insertTransfers(ModuleOp module) {
  const SymbolTable symbols(module);
  if (llvm::none_of(module.getOps<VariableOp>(), [](VariableOp variable) { return variable.getHost(); }))
    return;
  for (auto segment : module.getOps<func::FuncOp>())
    TransferInserter(segment, symbols).run();
}
