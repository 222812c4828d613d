#include "compiler/Sharding/RankSimulator.h"

#include "compiler/Sharding/Boxing.h"

#include "mlir/IR/IRMapping.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace ft;
using namespace ft::dist;
using namespace ft::model;

RankSimulator::RankSimulator(ModuleOp original) : module(original.clone()), mesh(findMesh(*module)) {
  SmallVector<func::FuncOp> functions(module->getOps<func::FuncOp>());
  for (func::FuncOp segment : functions)
    expand(segment);
  for (int64_t rank = 0, count = mesh.getRanks(); rank < count; ++rank)
    ranks.push_back(std::make_unique<Interpreter>(*module));
}

/// A variable that holds `value` between steps.
std::string RankSimulator::spill(Value value) {
  std::string &name = spilled[value];
  if (!name.empty())
    return name;
  name = "value." + std::to_string(spilled.size());
  OpBuilder builder = OpBuilder::atBlockBegin(module->getBody());
  VariableOp::create(builder, value.getLoc(), name, cast<RankedTensorType>(value.getType()), Role::Output);
  return name;
}

void RankSimulator::expand(func::FuncOp segment) {
  std::vector<Step> steps;
  for (Operation &op : segment.getBody().front().without_terminator()) {
    Step step;
    if (isStart(&op)) // moves nothing until its done
      continue;
    Operation *from = isa<DoneOp>(op) ? op.getOperand(0).getDefiningOp() : &op;
    for (Value operand : from->getOperands())
      step.operands.push_back(spill(operand));
    for (Value result : op.getResults())
      step.results.push_back(spill(result));
    step.collective = isa<DoneOp, SliceOp>(op) ? from : nullptr;
    if (!step.collective) {
      step.function = (segment.getSymName() + "." + Twine(steps.size())).str();
      emit(op, step);
    }
    steps.push_back(step);
  }
  segments[segment.getSymName().str()] = steps;
}

void RankSimulator::emit(Operation &op, Step &step) {
  OpBuilder builder = OpBuilder::atBlockEnd(module->getBody());
  auto function = func::FuncOp::create(builder, op.getLoc(), step.function, builder.getFunctionType({}, {}));
  builder.setInsertionPointToStart(function.addEntryBlock());
  IRMapping mapping;
  for (auto [operand, name] : llvm::zip(op.getOperands(), step.operands))
    mapping.map(operand, ReadOp::create(builder, op.getLoc(), operand.getType(), name).getValue());
  Operation *copy = builder.clone(op, mapping);
  for (auto [result, name] : llvm::zip(copy->getResults(), step.results))
    WriteOp::create(builder, op.getLoc(), name, result);
  func::ReturnOp::create(builder, op.getLoc());
}

LogicalResult RankSimulator::run(StringRef segment) {
  for (const Step &step : segments.at(segment.str())) {
    if (step.collective) {
      if (failed(exchange(step)))
        return failure();
      continue;
    }
    for (auto &rank : ranks)
      if (failed(rank->run(step.function)))
        return failure();
  }
  return success();
}

SmallVector<int64_t> RankSimulator::groupOf(int64_t rank, ArrayAttr axes) {
  SmallVector<StringAttr> all = axesOf(mesh.getAxes());
  SmallVector<int64_t> group(1, rank);
  for (StringAttr axis : axesOf(axes)) {
    const auto minor = ArrayRef(all).drop_front(llvm::find(all, axis) - all.begin() + 1);
    const int64_t size = mesh.getSize(axis), stride = mesh.getSize(minor);
    SmallVector<int64_t> wider;
    for (int64_t member : group)
      for (int64_t i = 0; i < size; ++i)
        wider.push_back(member + (i - member / stride % size) * stride);
    group = std::move(wider);
  }
  return group;
}

//===-- what one rank of a group receives -------------------------------------------------------------------------===//

using Numbers = std::vector<double>;

/// Elements of a tensor that lie behind each other for one index of the dimensions before `dim`.
static int64_t runOf(ArrayRef<int64_t> shape, int64_t dim) {
  int64_t run = 1;
  for (int64_t size : shape.drop_front(dim))
    run *= size;
  return run;
}

/// The parts, of `run` elements for each outer index, one behind the other.
static Numbers joined(ArrayRef<Numbers> parts, int64_t run) {
  Numbers whole;
  for (size_t at = 0; at < parts[0].size(); at += run)
    for (const Numbers &part : parts)
      whole.insert(whole.end(), part.begin() + at, part.begin() + at + run);
  return whole;
}

/// Part `index` of `count`: the inverse.
static Numbers part(const Numbers &whole, int64_t run, int64_t index, int64_t count) {
  Numbers part;
  for (size_t at = index * run; at < whole.size(); at += count * run)
    part.insert(part.end(), whole.begin() + at, whole.begin() + at + run);
  return part;
}

static Numbers reduced(ArrayRef<Numbers> parts, Reduction reduction) {
  Numbers result = parts[0];
  for (const Numbers &other : parts.drop_front())
    for (auto [number, term] : llvm::zip_equal(result, other))
      number = reduction == Reduction::Norm2 ? std::hypot(number, term)
               : reduction == Reduction::Max ? std::max(number, term)
                                             : number + term;
  return result;
}

LogicalResult RankSimulator::exchange(const Step &step) {
  Operation *op = step.collective;
  auto axes = op->getAttrOfType<ArrayAttr>("axes");
  auto dim = op->getAttrOfType<IntegerAttr>("dim");
  auto reduction = op->getAttrOfType<ReductionAttr>("reduction");
  for (auto [input, output] : llvm::zip_equal(step.operands, step.results))
    for (int64_t rank = 0; rank < size(); ++rank) {
      const SmallVector<int64_t> group = groupOf(rank, axes);
      SmallVector<Numbers> parts;
      for (int64_t member : group)
        parts.push_back((*ranks[member])[input].numbers);
      ReferenceTensor &result = (*ranks[rank])[output];
      if (result.numbers.empty())
        return op->emitOpError("moves integers; the simulator knows numbers alone");
      const int64_t count = group.size(), index = llvm::find(group, rank) - group.begin();
      if (isa<StartAllGatherOp>(op))
        result.numbers = joined(parts, runOf((*ranks[rank])[input].shape, dim.getInt()));
      else if (isa<SliceOp>(op))
        result.numbers = part(parts[index], runOf(result.shape, dim.getInt()), index, count);
      else if (isa<StartReduceScatterOp>(op))
        result.numbers = part(reduced(parts, reduction.getValue()), runOf(result.shape, dim.getInt()), index, count);
      else
        result.numbers = reduced(parts, reduction.getValue());
    }
  return success();
}
