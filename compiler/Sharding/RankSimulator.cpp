#include "compiler/Sharding/RankSimulator.h"

#include "compiler/Sharding/Boxing.h"

#include "mlir/IR/IRMapping.h"

#include <cmath>

using namespace mlir;
using namespace ft;
using namespace ft::dist;
using namespace ft::model;

RankSimulator::RankSimulator(ModuleOp original) : module(original.clone()) {
  SmallVector<func::FuncOp> functions(module->getOps<func::FuncOp>());
  for (func::FuncOp segment : functions)
    expand(segment);
  for (int64_t rank = 0, count = findMesh(*module).getRanks(); rank < count; ++rank)
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

LogicalResult RankSimulator::exchange(const Step &step) {
  Operation *op = step.collective;
  if (auto dim = op->getAttrOfType<IntegerAttr>("dim"); dim && dim.getInt() != 0)
    return op->emitOpError("is along another dimension than the simulator knows");
  auto reduction = op->getAttrOfType<ReductionAttr>("reduction");
  for (auto [input, output] : llvm::zip(step.operands, step.results)) {
    std::vector<double> whole; // the reduction, or the parts one behind the other
    for (auto &rank : ranks) {
      const std::vector<double> part = (*rank)[input].numbers;
      if (isa<StartAllGatherOp>(op)) {
        whole.insert(whole.end(), part.begin(), part.end());
        continue;
      }
      if (isa<SliceOp>(op) || whole.empty())
        whole.assign(part.size(), 0.0);
      for (size_t n = 0; n < part.size(); ++n)
        whole[n] = isa<SliceOp>(op)                           ? part[n]
                   : reduction.getValue() == Reduction::Norm2 ? std::hypot(whole[n], part[n])
                                                              : whole[n] + part[n];
    }
    for (int64_t rank = 0; rank < size(); ++rank) {
      std::vector<double> &result = (*ranks[rank])[output].numbers;
      const size_t first = isa<StartReduceScatterOp, SliceOp>(op) ? rank * result.size() : 0;
      std::copy_n(whole.begin() + first, result.size(), result.begin());
    }
  }
  return success();
}
