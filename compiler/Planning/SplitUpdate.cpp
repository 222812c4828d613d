#include "compiler/Planning/SplitUpdate.h"

#include "compiler/Planning/ValuePlaces.h"
#include "dialects/Dist/Dist.h"
#include "dialects/Ft/Ft.h"
#include "dialects/TypeBytes.h"
#include "runtime/Plan/Kinds.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

class UpdateSplitter {
public:
  UpdateSplitter(ModuleOp module, func::FuncOp update)
      : module(module), update(update), symbols(module), builder(module.getContext()) {}

  void run() {
    findMoved();
    if (moved.empty() || !findCarried())
      return;
    keepCarried();
    auto finish = createSegment(plan::Segment::FINISH);
    builder.setInsertionPoint(finish.getBody().front().getTerminator());
    fillPrefix();
    for (const plan::Segment::Kind first : {plan::Segment::ACCUMULATE_FIRST, plan::Segment::ACCUMULATE_FIRST_TARGETS})
      if (auto segment = module.lookupSymbol<func::FuncOp>(plan::segmentName(first)))
        putBefore(segment, plan::finishingKindOf(first));
    for (Operation *op : llvm::reverse(moved))
      op->erase();
  }

private:
  VariableOp variable(StringRef name) const { return symbols.lookup<VariableOp>(name); }

  /// What follows from reads of the host's variables, in the order of the program.
  void findMoved() {
    for (Operation &op : update.getBody().front().without_terminator()) {
      auto read = dyn_cast<ReadOp>(op);
      const bool follows = llvm::any_of(op.getOperands(), [&](Value operand) {
        return operand.getDefiningOp() && isMoved.contains(operand.getDefiningOp());
      });
      if (!follows && !(read && variable(read.getVariable()).getHost()))
        continue;
      moved.push_back(&op);
      isMoved.insert(&op);
    }
  }

  /// A part of something that can be read again.
  static bool isPart(Operation *op) { return isa<ViewOp, dist::SliceOp>(op); }

  /// Whether @finish reads the value as @update does: of a variable that is the same there.
  bool isReadAgain(Value value) const {
    Operation *op = value.getDefiningOp();
    if (isPart(op))
      return isReadAgain(op->getOperand(0));
    auto read = dyn_cast<ReadOp>(op);
    if (!read || variable(read.getVariable()).getRole() == Role::Input)
      return false;
    return llvm::none_of(func::FuncOp(update).getOps<WriteOp>(), [&](WriteOp write) {
      return write.getVariable() == read.getVariable() && !isMoved.contains(write);
    });
  }

  /// Values of @update that @finish needs. False where one is too large to be kept.
  bool findCarried() {
    for (Operation *op : moved)
      for (Value operand : op->getOperands()) {
        if (isMoved.contains(operand.getDefiningOp()) || isReadAgain(operand) || writerOf(operand))
          continue;
        auto type = cast<RankedTensorType>(operand.getType());
        if (type.getNumElements() * elementBytes(type.getElementType()) > mostKeptBytes)
          return false;
        carried.insert(operand);
      }
    return true;
  }

  /// Behind all else, where they are certain to be there.
  void keepCarried() {
    for (auto [number, value] : llvm::enumerate(carried)) {
      builder.setInsertionPoint(update);
      auto kept = VariableOp::create(builder, update.getLoc(), ("kept" + Twine(number)).str(),
                                     cast<RankedTensorType>(value.getType()), Role::Kept);
      symbols.insert(kept);
      builder.setInsertionPoint(update.getBody().front().getTerminator());
      WriteOp::create(builder, update.getLoc(), kept.getSymName(), value);
    }
  }

  func::FuncOp createSegment(plan::Segment::Kind kind) {
    builder.setInsertionPointToEnd(module.getBody());
    auto segment = func::FuncOp::create(builder, update.getLoc(), plan::segmentName(kind),
                                        builder.getFunctionType(TypeRange(), TypeRange()));
    builder.setInsertionPointToStart(segment.addEntryBlock());
    func::ReturnOp::create(builder, update.getLoc());
    return segment;
  }

  Value readAt(Location loc, StringRef name, Type type) { return ReadOp::create(builder, loc, type, name); }

  /// The value in the segment that is filled.
  Value there(Value value, IRMapping &mapping) {
    if (Value known = mapping.lookupOrNull(value))
      return known;
    Operation *op = value.getDefiningOp();
    Value found;
    if (isReadAgain(value)) {
      if (isPart(op))
        there(op->getOperand(0), mapping);
      found = builder.clone(*op, mapping)->getResult(0);
    } else {
      WriteOp write = writerOf(value);
      found = readAt(value.getLoc(), write.getVariable(), value.getType());
    }
    mapping.map(value, found);
    return found;
  }

  /// @finish's operations, at the builder's place; the values that it writes, by variable.
  llvm::StringMap<Value> fillPrefix() {
    IRMapping mapping;
    llvm::StringMap<Value> written;
    for (Operation *op : moved) {
      for (Value operand : op->getOperands())
        there(operand, mapping);
      Operation *copy = builder.clone(*op, mapping);
      if (auto write = dyn_cast<WriteOp>(copy))
        written[write.getVariable()] = write.getValue();
    }
    return written;
  }

  /// What the segment reads of buckets that have been written in front of it is what was written. Others, such as
  /// copies in borders, it reads behind the write.
  void putBefore(func::FuncOp segment, plan::Segment::Kind kind) {
    builder.setInsertionPointToEnd(module.getBody());
    auto both = cast<func::FuncOp>(builder.clone(*segment.getOperation()));
    both.setSymName(plan::segmentName(kind));
    Block &block = both.getBody().front();
    SmallVector<ReadOp> reads(both.getOps<ReadOp>());
    builder.setInsertionPointToStart(&block);
    const llvm::StringMap<Value> written = fillPrefix();
    for (ReadOp read : reads)
      if (Value value = written.lookup(read.getVariable()); value && variable(read.getVariable()).getBucket()) {
        read.getValue().replaceAllUsesWith(value);
        read.erase();
      }
  }

  ModuleOp module;
  func::FuncOp update;
  SymbolTable symbols;
  OpBuilder builder;
  SmallVector<Operation *> moved;
  llvm::DenseSet<Operation *> isMoved;
  llvm::SetVector<Value> carried;
};

} // namespace

void ft::splitUpdate(ModuleOp module) {
  auto update = module.lookupSymbol<func::FuncOp>(plan::segmentName(plan::Segment::UPDATE));
  if (update && llvm::any_of(module.getOps<VariableOp>(), [](VariableOp variable) { return variable.getHost(); }))
    UpdateSplitter(module, update).run();
}
