#include "compiler/Fusion/RowEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace ft {

Type getComputeType(Operation *op) {
  auto isDouble = [](Value value) { return getElementTypeOrSelf(value.getType()).isF64(); };
  auto dropout = dyn_cast<model::DropoutOp>(op);
  for (Value operand : op->getOperands())
    if (isDouble(operand) && !(dropout && operand == dropout.getScalars()))
      return Float64Type::get(op->getContext());
  if (llvm::any_of(op->getResults(), isDouble))
    return Float64Type::get(op->getContext());
  return Float32Type::get(op->getContext());
}

SmallVector<Value> RowEmitter::indicesOf(Value tensor) {
  if (cast<RankedTensorType>(tensor.getType()).getRank() == 1)
    return {builder.index(0)};
  return {rowIndex, builder.index(0)};
}

SmallVector<Value> RowEmitter::placeOfRun(int64_t columns, int64_t length) {
  SmallVector<Value> &place = runs[{columns, length}];
  if (place.empty()) {
    Value perRow = builder.index(columns / length);
    Value run = arith::RemUIOp::create(builder, rowIndex, perRow);
    place.push_back(arith::DivUIOp::create(builder, rowIndex, perRow));
    place.push_back(arith::MulIOp::create(builder, run, builder.index(length)));
  }
  return place;
}

Value RowEmitter::run(Value tensor, int64_t length, Type compute) {
  const int64_t columns = cast<RankedTensorType>(tensor.getType()).getDimSize(1);
  if (length == columns)
    return row(tensor, compute);
  return builder.loadRow(memory.lookup(tensor), placeOfRun(columns, length), length, compute);
}

Value RowEmitter::row(Value tensor, Type compute) {
  auto type = cast<RankedTensorType>(tensor.getType());
  Value &known = defined[tensor];
  if (!known)
    known = builder.loadRow(memory.lookup(tensor), indicesOf(tensor), type.getShape().back(), type.getElementType());
  return builder.convert(known, compute);
}

Value RowEmitter::shared(Value tensor, Type compute) { return row(tensor, compute); }

Value RowEmitter::scalar(Value tensor, Type compute) {
  if (auto type = cast<RankedTensorType>(tensor.getType()); type.getRank() == 2)
    return builder.loadScalar(memory.lookup(tensor), placeOfRun(type.getDimSize(1), 1), compute);
  Value &known = defined[tensor];
  if (!known)
    known = builder.loadScalar(memory.lookup(tensor), rowIndex);
  return compute ? builder.convert(known, compute) : known;
}

void RowEmitter::define(Value result, Value computed) {
  auto type = cast<RankedTensorType>(result.getType());
  Value rounded = builder.convert(computed, type.getElementType());
  const int64_t length = std::max<int64_t>(getLength(rounded), 1);
  if (type.getRank() == 2 && length < type.getDimSize(1))
    return defineAt(result, placeOfRun(type.getDimSize(1), length), rounded);
  defined[result] = rounded;
  if (Value target = memory.lookup(result)) {
    SmallVector<Value> indices = getLength(rounded) ? indicesOf(result) : SmallVector<Value>{rowIndex};
    stores.push_back({rounded, target, std::move(indices)});
  }
}

void RowEmitter::defineAt(Value result, ValueRange indices, Value row) {
  if (Value target = memory.lookup(result))
    stores.push_back({row, target, SmallVector<Value>(indices)});
}

void RowEmitter::accumulate(Value result, Value increment) {
  Value &sum = accumulators[result];
  sum = builder.add(sum, increment);
}

void RowEmitter::flush() {
  for (Store &store : stores) {
    if (getLength(store.value))
      builder.storeRow(store.value, store.memory, store.indices);
    else
      builder.storeScalar(store.value, store.memory, store.indices);
  }
  stores.clear();
}

} // namespace ft
