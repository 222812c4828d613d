#include "compiler/Model/PrecisionTable.h"

#include "compiler/Model/Variables.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

static Type elementOf(Value value) { return cast<RankedTensorType>(value.getType()).getElementType(); }

static void setElement(Value value, Type element) {
  value.setType(cast<RankedTensorType>(value.getType()).clone(element));
}

static void setElement(VariableOp variable, Type element) { variable.setType(variable.getTensorType().clone(element)); }

PrecisionTable::Types PrecisionTable::typesOf(Builder &&builder, Precision precision, bool accumulates,
                                              bool bf16Gradients) {
  Type f64 = builder.getF64Type(), f32 = builder.getF32Type(), bf16 = builder.getBF16Type(), f16 = builder.getF16Type();
  switch (precision) {
  case Precision::Fp64True:
    return {f64, f64, f64, f64, f64, f64, f64, f64, f64};
  case Precision::Fp32True:
    return {f32, f32, f32, f32, f32, f32, f32, f32, f32};
  case Precision::Bf16True:
    return {bf16, bf16, f32, bf16, bf16, f32, accumulates ? f32 : bf16, f32, f32};
  case Precision::Bf16Mixed:
    return {bf16, f32, f32, bf16, f32, f32, bf16Gradients ? bf16 : f32, f32, f32};
  case Precision::Fp16Mixed:
    return {f16, f32, f32, f16, f32, f32, f32, f32, f32};
  }
  llvm_unreachable("covered switch");
}

PrecisionTable::PrecisionTable(ModuleOp module, Precision precision, bool accumulates, bool copyAdapters,
                               bool bf16Gradients)
    : symbols(module), copyAdapters(copyAdapters),
      types(typesOf(Builder(module.getContext()), precision, accumulates, bf16Gradients)) {}

void PrecisionTable::work(ValueRange results) {
  for (Value result : results)
    setElement(result, types.work);
}

void PrecisionTable::residual(Value result) { setElement(result, types.residual); }

void PrecisionTable::statistic(Value result) { setElement(result, types.statistic); }

void PrecisionTable::like(Value result, Value operand) { setElement(result, elementOf(operand)); }

void PrecisionTable::readCopies(MutableOperandRange operands) {
  for (OpOperand &operand : operands)
    readCopy(operand);
}

void PrecisionTable::readCopy(OpOperand &operand) {
  auto read = operand.get().getDefiningOp<ReadOp>();
  if (!read)
    return;
  auto parameter = symbols.lookup<VariableOp>(read.getVariable());
  const bool wanted = elementOf(read) != types.work || (copyAdapters && parameter.getRole() == Role::Adapter);
  if (!parameter.isTrained() || !wanted)
    return;
  VariableOp &copy = copies[parameter];
  if (!copy) {
    copy = declareDerived(parameter, Role::WorkingCopy, types.work);
    symbols.insert(copy);
  }
  auto function = read->getParentOfType<func::FuncOp>();
  ReadOp &ofCopy = copyReads[{function, copy}];
  Block &block = function.getBody().front();
  if (ofCopy)
    ofCopy->moveBefore(&block, block.begin());
  else
    ofCopy = addRead(function, copy);
  operand.set(ofCopy);
}

void PrecisionTable::head(Value weight) {
  VariableOp parameter = parameterOf(weight, symbols);
  if (parameter && parameter.getRole() == Role::Trainable)
    parameter.setGradientType(types.headGradient);
}

void PrecisionTable::store(VariableOp variable) {
  switch (variable.getRole()) {
  case Role::Frozen:
    return setElement(variable, types.frozen);
  case Role::Trainable:
    setElement(variable, types.trained);
    return variable.setGradientType(types.gradient);
  case Role::Adapter:
    setElement(variable, types.adapter);
    return variable.setGradientType(types.adapterGradient);
  case Role::ConstantTable:
    return setElement(variable, types.statistic);
  default:
    return;
  }
}
