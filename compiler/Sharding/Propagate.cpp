// dist-propagate: one pass forward over each segment, by the rules of Boxing.h. No search: a strategy fixes the seeds,
// and every value has its sharding before its users are reached. Linear in the number of operands.
#include "compiler/Sharding/Propagate.h"
#include "compiler/Sharding/Boxing.h"
#include "compiler/Sharding/FactorRule.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace ft;
using namespace ft::dist;
using namespace ft::model;

namespace {

using Axes = SmallVector<StringAttr, 2>;

/// Which mesh axes split which letter of an operation, given how its operands lie.
class Assignment {
public:
  Assignment(const FactorRule &rule, ArrayRef<ShardingAttr> operands) : rule(rule), axes(rule.letters().size()) {
    // (letter, axis) pairs in the rule's order of letters: the first to ask for an axis gets it.
    SmallVector<SmallVector<StringAttr, 1>> wanted(rule.letters().size());
    for (auto [value, sharding] : llvm::zip(rule.operands(), operands))
      if (value.kind != FactorValue::Kind::Table)
        for (auto [letter, dim] : llvm::zip(value.letters, sharding.getDims()))
          for (StringAttr axis : dim.getAxes())
            if (!llvm::is_contained(wanted[letter], axis))
              wanted[letter].push_back(axis);
    for (auto [letter, list] : llvm::enumerate(wanted))
      if (rule.letters()[letter].kind != LetterKind::Whole)
        for (StringAttr axis : list)
          if (!llvm::is_contained(taken, axis) || rule.joint)
            take(letter, axis);
    if (rule.joint)
      splitAllTerms();
  }

  ArrayRef<StringAttr> of(unsigned letter) const { return axes[letter]; }

  /// The axes that split a summed letter which `result` lacks: it is partial over them.
  Axes partialAxes(const FactorValue &result) const {
    Axes partial;
    for (auto [letter, list] : llvm::enumerate(axes))
      if (rule.letters()[letter].kind == LetterKind::Summed && !llvm::is_contained(result.letters, letter))
        for (StringAttr axis : list)
          if (!llvm::is_contained(partial, axis))
            partial.push_back(axis);
    return partial;
  }

private:
  void take(unsigned letter, StringAttr axis) {
    axes[letter].push_back(axis);
    if (!llvm::is_contained(taken, axis))
      taken.push_back(axis);
  }

  /// Every operand is a term of its own; one that lacks a taken axis takes it on its first dimension.
  void splitAllTerms() {
    for (const FactorValue &value : rule.operands())
      for (StringAttr axis : taken)
        if (llvm::none_of(value.letters, [&](unsigned letter) { return llvm::is_contained(axes[letter], axis); }))
          axes[value.letters.front()].push_back(axis);
  }

  const FactorRule &rule;
  SmallVector<Axes> axes;
  Axes taken;
};

class Propagation {
public:
  Propagation(ModuleOp module, MeshOp mesh)
      : symbols(module), mesh(mesh), meshName(FlatSymbolRefAttr::get(mesh.getSymNameAttr())),
        builder(module.getContext()) {}

  LogicalResult run(func::FuncOp segment) {
    shardings.clear();
    resharded.clear();
    if (!llvm::hasSingleElement(segment.getBody()))
      return segment.emitOpError("must have one block to be distributed");
    // Work on fewer rows than the batch has is the same on every rank (@generate: one row), but for fewer targets.
    replicated = llvm::any_of(segment.getOps<ReadOp>(), [&](ReadOp read) {
      auto variable = symbols.lookup<VariableOp>(read.getVariable());
      return variable && variable.getTensorType() != read.getType() && !isOfTargets(variable);
    });
    for (Operation *op = &segment.getBody().front().front(); op; op = next) {
      next = op->getNextNode();
      if (failed(visit(op)))
        return failure();
    }
    return success();
  }

private:
  LogicalResult visit(Operation *op) {
    if (auto read = dyn_cast<ReadOp>(op))
      return visitRead(read);
    if (auto write = dyn_cast<WriteOp>(op)) {
      FailureOr<ShardingAttr> sharding = variableSharding(op, write.getVariable());
      if (failed(sharding) || failed(shardingsOf(op)))
        return failure();
      require(op->getOpOperand(0), *sharding);
      return success();
    }
    if (auto constraint = dyn_cast<ConstraintOp>(op))
      return visitConstraint(constraint);
    if (isa<func::ReturnOp, ReshardOp>(op)) // a reshard is of visitConstraint's making
      return success();
    return visitFactors(op);
  }

  FailureOr<ShardingAttr> variableSharding(Operation *op, StringRef name) {
    auto variable = symbols.lookup<VariableOp>(name);
    auto sharding = variable->getAttrOfType<ShardingAttr>(shardingName);
    if (!sharding)
      return op->emitOpError("uses @") << name << ", which has no " << shardingName << "; dist-annotate must run first";
    return sharding;
  }

  LogicalResult visitRead(ReadOp read) {
    FailureOr<ShardingAttr> sharding = variableSharding(read, read.getVariable());
    if (failed(sharding))
      return failure();
    ShardingAttr value = *sharding;
    auto variable = symbols.lookup<VariableOp>(read.getVariable());
    if (replicated && variable.getRole() == Role::Input)
      for (int64_t dim = 0, rank = value.getDims().size(); dim < rank; ++dim)
        value = value.withDim(dim, {}, value.getDims()[dim].getOwn());
    else if (variable.getRole() == Role::Input)
      value = ofFirstRows(value, variable.getTensorType().getDimSize(0), read.getType().getDimSize(0));
    set(read, {value});
    return success();
  }

  static bool isOfTargets(VariableOp variable) {
    const StringRef io = variable.getIo().value_or("");
    return io == "TARGET_ROWS" || io == "TARGET_LABELS";
  }

  /// What a rank has of its own table where a segment reads `rows` of `all`: the same share of them, from the first on.
  static ShardingAttr ofFirstRows(ShardingAttr table, int64_t all, int64_t rows) {
    const DimAttr dim = table.getDims().front();
    return rows == all || !dim.getOwn() ? table : table.withDim(0, dim.getAxes(), dim.getOwn() * rows / all);
  }

  /// Its users share what is gathered where it stands.
  LogicalResult visitConstraint(ConstraintOp constraint) {
    FailureOr<SmallVector<ShardingAttr>> from = shardingsOf(constraint);
    if (failed(from))
      return failure();
    Value value = constraint.getX();
    if (from->front() != constraint.getSharding()) {
      builder.setInsertionPoint(constraint);
      value = reshard(value, constraint.getSharding());
    }
    constraint.replaceAllUsesWith(value);
    next = constraint->getNextNode();
    constraint.erase();
    return success();
  }

  /// How the operands lie.
  FailureOr<SmallVector<ShardingAttr>> shardingsOf(Operation *op) {
    SmallVector<ShardingAttr> operands;
    for (auto [number, operand] : llvm::enumerate(op->getOperands())) {
      operands.push_back(shardings.lookup(operand));
      if (!operands.back())
        return op->emitOpError("operand ") << number << " has no sharding; segments work on variables alone";
    }
    return operands;
  }

  LogicalResult visitFactors(Operation *op) {
    FailureOr<FactorRule> rule = getFactorRule(op);
    FailureOr<SmallVector<ShardingAttr>> lie = shardingsOf(op);
    if (failed(rule) || failed(lie))
      return failure();
    ArrayRef<ShardingAttr> operands = *lie;
    Assignment assignment(*rule, operands);
    if (failed(checkShares(op, *rule, assignment)) || failed(checkTables(op, *rule, assignment, operands)))
      return failure();
    SmallVector<ShardingAttr> results;
    for (auto [number, value] : llvm::enumerate(rule->results())) {
      Axes partial = partialAxes(*rule, assignment, operands, number);
      if (splitsOffAddition(op, *rule, assignment, operands, number))
        return visitFactors(op); // without the operand that it added
      results.push_back(layOut(value, assignment).withPartial(partial, rule->reduction));
    }
    for (auto [number, value] : llvm::enumerate(rule->operands())) {
      if (value.kind == FactorValue::Kind::Table)
        continue;
      ShardingAttr wanted = layOut(value, assignment);
      if (value.isTermOf(value.addedTo))
        wanted = wanted.withPartial(results[value.addedTo].getPartial(), Reduction::Sum);
      require(op->getOpOperand(number), wanted);
    }
    set(op, results);
    return success();
  }

  ShardingAttr layOut(const FactorValue &value, const Assignment &assignment) {
    ShardingAttr sharding = ShardingAttr::broadcast(meshName, value.letters.size());
    for (auto [dim, letter] : llvm::enumerate(value.letters))
      if (!assignment.of(letter).empty())
        sharding = sharding.withDim(dim, assignment.of(letter));
    return sharding;
  }

  /// The axes over which all operands that are added to result `number` are partial, and its own term, if it has one.
  Axes partialAxes(const FactorRule &rule, const Assignment &assignment, ArrayRef<ShardingAttr> operands,
                   unsigned number) {
    Axes partial = assignment.partialAxes(rule.results()[number]);
    bool first = !rule.hasOwnTerm();
    for (auto [value, sharding] : llvm::zip(rule.operands(), operands)) {
      if (!value.isTermOf(number))
        continue;
      if (first)
        partial = Axes(sharding.getPartial());
      else if (!rule.hasOwnTerm())
        llvm::erase_if(partial, [&](StringAttr axis) { return !llvm::is_contained(sharding.getPartial(), axis); });
      first = false;
    }
    return partial;
  }

  /// Where the own term of result `number` is partial and what it is added to is not: takes the addition out, behind
  /// the reduction. Behind a chain of gradients that accumulate onto each other it goes to the end of the chain, so
  /// that one reduction serves all of them.
  bool splitsOffAddition(Operation *op, const FactorRule &rule, const Assignment &assignment,
                         ArrayRef<ShardingAttr> operands, unsigned number) {
    if (!rule.hasOwnTerm())
      return false;
    Axes partial = assignment.partialAxes(rule.results()[number]);
    for (auto [index, value, sharding] : llvm::enumerate(rule.operands(), operands)) {
      const bool missing = llvm::any_of(partial, [&](StringAttr axis) {
        return mesh.getSize(axis) > 1 && !llvm::is_contained(sharding.getPartial(), axis);
      });
      if (!value.isTermOf(number) || !missing)
        continue;
      splitOff(op, index, op->getResult(number));
      return true;
    }
    return false;
  }

  /// What is added is what the operation accumulates onto.
  void splitOff(Operation *op, unsigned operand, Value sum) {
    Value before = op->getOperand(operand);
    cast<Accumulating>(op).getAccumulateMutable().clear();
    while (sum.hasOneUse() && isAccumulation(*sum.use_begin()))
      sum = sum.use_begin()->getOwner()->getResults().back();
    builder.setInsertionPointAfterValue(sum);
    auto add = AddOp::create(builder, sum.getLoc(), sum.getType(), before, sum);
    sum.replaceAllUsesExcept(add, add);
    if (sum.getDefiningOp() == op)
      next = add;
  }

  /// The use is where a sum starts: it is added to the last result.
  static bool isAccumulation(OpOperand &use) {
    auto sum = dyn_cast<Accumulating>(use.getOwner());
    return sum && sum.getStart() == use.get();
  }

  /// A split letter's dimension is divided evenly, in whole granules.
  LogicalResult checkShares(Operation *op, const FactorRule &rule, const Assignment &assignment) {
    auto check = [&](StringRef side, ValueRange values, ArrayRef<FactorValue> entries) -> LogicalResult {
      for (auto [number, value, entry] : llvm::enumerate(values, entries)) {
        if (entry.kind == FactorValue::Kind::Table)
          continue;
        for (auto [dim, letter] : llvm::enumerate(entry.letters)) {
          const int64_t parts = mesh.getSize(assignment.of(letter)) * rule.letters()[letter].granule;
          const int64_t size = cast<RankedTensorType>(value.getType()).getDimSize(dim);
          if (size % parts)
            return op->emitOpError() << "dimension " << dim << " of " << side << " " << number << ", "
                                     << rule.letters()[letter].name << ", has " << size
                                     << " elements; must be a multiple of " << parts << " to be split over "
                                     << mesh.getSize(assignment.of(letter)) << " ranks in units of "
                                     << rule.letters()[letter].granule;
        }
      }
      return success();
    };
    return failed(check("operand", op->getOperands(), rule.operands())) ||
                   failed(check("result", op->getResults(), rule.results()))
               ? failure()
               : success();
  }

  /// A rank's own table goes with tokens that are split over the same axes, and with no others.
  LogicalResult checkTables(Operation *op, const FactorRule &rule, const Assignment &assignment,
                            ArrayRef<ShardingAttr> operands) {
    for (auto [number, value, sharding] : llvm::enumerate(rule.operands(), operands)) {
      if (value.kind != FactorValue::Kind::Table)
        continue;
      for (auto [dim, letter] : llvm::zip(sharding.getDims(), value.letters))
        if (dim.getAxes() != assignment.of(letter))
          return op->emitOpError("operand ")
                 << number << " is a table of the host for " << sharding << "; must be made for the same share of "
                 << rule.letters()[letter].name << " as the other operands have";
    }
    return success();
  }

  /// Gives `use` a value that lies as `wanted`.
  void require(OpOperand &use, ShardingAttr wanted) {
    Value value = use.get();
    ShardingAttr is = shardings.lookup(value);
    if (is == wanted)
      return;
    // One serves every user that wants the same. A reduction begins as soon as its value is there.
    Value &shared = resharded[{value, wanted}];
    if (!shared) {
      if (is.isPartial())
        builder.setInsertionPointAfterValue(value);
      else
        builder.setInsertionPoint(use.getOwner());
      shared = reshard(value, wanted);
    }
    use.set(shared);
  }

  Value reshard(Value value, ShardingAttr to) {
    auto op = ReshardOp::create(builder, value.getLoc(), value, shardings.lookup(value), to);
    shardings[op] = to;
    return op;
  }

  void set(Operation *op, ArrayRef<ShardingAttr> results) {
    SmallVector<Attribute> list(results.begin(), results.end());
    for (auto [result, sharding] : llvm::zip(op->getResults(), results))
      shardings[result] = sharding;
    if (!list.empty())
      op->setAttr(shardingName, builder.getArrayAttr(list));
  }

  SymbolTable symbols;
  MeshOp mesh;
  FlatSymbolRefAttr meshName;
  OpBuilder builder;
  DenseMap<Value, ShardingAttr> shardings;
  DenseMap<std::pair<Value, Attribute>, Value> resharded;
  Operation *next = nullptr;
  bool replicated = false;
};

} // namespace

LogicalResult ft::propagateSharding(ModuleOp module) {
  MeshOp mesh = findMesh(module);
  if (!mesh)
    return module.emitError("has no dist.mesh; dist-annotate must run first");
  Propagation propagation(module, mesh);
  for (auto segment : module.getOps<func::FuncOp>())
    if (failed(propagation.run(segment)))
      return failure();
  return success();
}
