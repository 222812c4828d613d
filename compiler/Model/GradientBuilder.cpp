#include "compiler/Model/GradientBuilder.h"

#include "compiler/Model/Variables.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

GradientBuilder::GradientBuilder(ModuleOp module, func::FuncOp function)
    : module(module), function(function), symbols(module), ops(function.getContext(), &marker),
      here(function.getLoc()) {
  ops.setInsertionPoint(function.getBody().front().getTerminator());
}

LogicalResult GradientBuilder::run(Value lossValue) {
  loss = lossValue;
  findActive();
  if (!needs(loss))
    return function.emitError("the loss depends on no trained parameter");
  SmallVector<Operation *> forward;
  for (Operation &op : function.getBody().front().without_terminator())
    forward.push_back(&op);
  for (Operation *op : llvm::reverse(forward))
    if (failed(visit(op)))
      return failure();
  return writeGradients();
}

/// Activity at the granularity of ops: one active operand makes every result active.
void GradientBuilder::findActive() {
  for (Operation &op : function.getBody().front().without_terminator()) {
    bool isActive = llvm::any_of(op.getOperands(), [&](Value operand) { return active.contains(operand); });
    if (auto read = dyn_cast<ReadOp>(op)) {
      VariableOp parameter = parameterOf(read, symbols);
      isActive = parameter && parameter.isTrained();
    }
    if (isActive)
      active.insert_range(op.getResults());
  }
}

LogicalResult GradientBuilder::visit(Operation *op) {
  const bool reached =
      llvm::any_of(op->getResults(), [&](Value result) { return cotangent(result) || isLoss(result); });
  if (!reached || isa<ReadOp>(op) || done.contains(op) ||
      llvm::none_of(op->getResults(), [&](Value r) { return needs(r); }))
    return success();
  here = placed(op->getContext(), placeOf(op->getLoc()) + ".backward");
  auto rule = dyn_cast<Derivative>(op);
  if (!rule)
    return op->emitOpError("has no derivative, but a trained parameter's way to the loss leads through it");
  if (failed(rule.buildDerivative(*this)))
    return failure();
  done.insert(op);
  return success();
}

void GradientBuilder::add(Value value, Value part) {
  if (!needs(value))
    return;
  Value &sum = cotangents[value];
  if (sum)
    sum = AddOp::create(ops, here, value.getType(), sum, part);
  else if (part.getType() != value.getType())
    sum = CastOp::create(ops, here, value.getType(), part);
  else
    sum = part;
}

RankedTensorType GradientBuilder::gradientType(Value weight) {
  auto type = cast<RankedTensorType>(weight.getType());
  VariableOp parameter = parameterOf(weight, symbols);
  return parameter && parameter.getGradientType() ? type.clone(*parameter.getGradientType()) : type;
}

void GradientBuilder::addWeight(Value weight, BuildWeight build) {
  if (!needs(weight))
    return;
  VariableOp parameter = parameterOf(weight, symbols);
  if (!parameter)
    return add(weight, build(gradientType(weight), nullptr));
  Value &gradient = gradients[parameter];
  gradient = build(gradientType(weight), gradient);
}

void GradientBuilder::replaceLoss(Value value) {
  for (Operation *user : llvm::make_early_inc_range(loss.getUsers()))
    user->moveBefore(ops.getInsertionBlock(), ops.getInsertionPoint());
  loss.replaceAllUsesWith(value);
}

FailureOr<Value> GradientBuilder::input(Operation *op, plan::BatchInput::Kind kind) {
  if (VariableOp variable = findInput(module, kind))
    return readWhole(function, variable);
  return op->emitOpError("cannot be differentiated: the module declares no input of kind ")
         << plan::BatchInput::Kind_Name(kind);
}

LogicalResult GradientBuilder::writeGradients() {
  llvm::StringMap<VariableOp> declared; // by another function, by their parameter's name
  for (auto variable : module.getOps<VariableOp>())
    if (variable.getRole() == Role::Gradient)
      declared[*variable.getOf()] = variable;
  for (auto parameter : module.getOps<VariableOp>()) {
    if (!parameter.isTrained())
      continue;
    Value gradient = gradients.lookup(parameter);
    if (!gradient)
      return parameter.emitOpError("is trained, but the loss does not depend on it");
    VariableOp variable = declared.lookup(parameter.getSymName());
    if (!variable)
      variable = declareDerived(parameter, Role::Gradient, cast<RankedTensorType>(gradient.getType()).getElementType());
    ops.setInsertionPointAfter(gradient.getDefiningOp());
    WriteOp::create(ops, gradient.getLoc(), variable.getSymName(), gradient);
  }
  return success();
}
