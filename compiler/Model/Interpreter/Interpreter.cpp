#include "compiler/Model/Interpreter/Interpreter.h"

#include "llvm/ADT/APFloat.h"

#include <numeric>

#include <cmath>

using namespace mlir;
using namespace ft;
using namespace ft::model;

int64_t ReferenceTensor::size() const {
  return std::accumulate(shape.begin(), shape.end(), int64_t(1), std::multiplies<>());
}

static ReferenceTensor zeros(RankedTensorType type) {
  ReferenceTensor tensor;
  tensor.shape.assign(type.getShape().begin(), type.getShape().end());
  if (isa<FloatType>(type.getElementType()))
    tensor.numbers.assign(type.getNumElements(), 0.0);
  else
    tensor.integers.assign(type.getNumElements(), 0);
  return tensor;
}

void ft::fillRope(DictionaryAttr init, ReferenceTensor &table) {
  auto frequencies = init.getAs<DenseF64ArrayAttr>("frequencies");
  auto amplitude = init.getAs<FloatAttr>("amplitude");
  const bool cosine = init.getAs<StringAttr>("kind") == "rope_cos";
  for (int64_t position = 0; position < table.dim(0); ++position)
    for (int64_t i = 0; i < table.dim(1); ++i) {
      const double angle = double(position) * frequencies[i];
      table.at(position, i) =
          (cosine ? std::cos(angle) : std::sin(angle)) * (amplitude ? amplitude.getValueAsDouble() : 1);
    }
}

Interpreter::Interpreter(ModuleOp module, bool rounds) : module(module), rounds(rounds) {
  for (auto variable : module.getOps<VariableOp>())
    variables[variable.getSymName().str()] = zeros(variable.getTensorType());
}

ReferenceTensor &Interpreter::make(Value value) {
  return values[value] = zeros(cast<RankedTensorType>(value.getType()));
}

static double roundTo(FloatType type, double number) {
  llvm::APFloat rounded(number);
  bool losesInfo;
  rounded.convert(type.getFloatSemantics(), llvm::APFloat::rmNearestTiesToEven, &losesInfo);
  rounded.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &losesInfo);
  return rounded.convertToDouble();
}

LogicalResult Interpreter::run(StringRef name) {
  auto function = module.lookupSymbol<func::FuncOp>(name);
  if (!function)
    return module.emitError("the interpreter finds no function @") << name;
  values.clear();
  for (Operation &op : function.getBody().front().without_terminator())
    if (failed(execute(op)))
      return failure();
  return success();
}

LogicalResult Interpreter::execute(Operation &op) {
  if (auto read = dyn_cast<ReadOp>(op)) {
    const ReferenceTensor &variable = variables.at(read.getVariable().str());
    // DenseMap may move its values when it grows: fill a local tensor first.
    ReferenceTensor value = zeros(cast<RankedTensorType>(read.getType()));
    std::copy_n(variable.numbers.begin(), value.numbers.size(), value.numbers.begin());
    std::copy_n(variable.integers.begin(), value.integers.size(), value.integers.begin());
    values[read] = std::move(value);
    return success();
  }
  if (auto write = dyn_cast<WriteOp>(op)) {
    variables.at(write.getVariable().str()) = get(write.getValue());
    return success();
  }
  for (Value result : op.getResults())
    make(result);
  if (!executeRowWise(op) && !executeProduct(op) && !executeUpdate(op))
    return op.emitOpError("is unknown to the interpreter");
  if (rounds)
    for (Value result : op.getResults())
      if (auto type = dyn_cast<FloatType>(cast<RankedTensorType>(result.getType()).getElementType()))
        for (double &number : values[result].numbers)
          number = roundTo(type, number);
  return success();
}
