#include "compiler/Fusion/RowBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace ft {

Type getComputeType(Type storage) { return storage.isF64() ? storage : Float32Type::get(storage.getContext()); }

int64_t getLength(Value value) {
  auto row = dyn_cast<VectorType>(value.getType());
  return row ? row.getDimSize(0) : 0;
}

MemRefType getMemory(const MatrixLayout &matrix) {
  return getMemory(matrix.type, {matrix.rows, matrix.columns}, matrix.pitch);
}

MemRefType getMemory(Type element, ArrayRef<int64_t> shape, int64_t pitch) {
  if (isa<Float8E4M3FNType>(element)) // which programs compute of other types, and see as bytes
    element = IntegerType::get(element.getContext(), 8);
  if (shape.size() != 2 || pitch == shape[1])
    return MemRefType::get(shape, element);
  return MemRefType::get(shape, element, StridedLayoutAttr::get(element.getContext(), 0, {pitch, 1}));
}

Value RowBuilder::index(int64_t value) { return arith::ConstantIndexOp::create(*this, value); }

Value RowBuilder::integer(int64_t value, Type type) {
  TypedAttr attr = getIntegerAttr(getElementTypeOrSelf(type), value);
  if (auto row = dyn_cast<VectorType>(type))
    attr = DenseElementsAttr::get(row, attr);
  return arith::ConstantOp::create(*this, attr);
}

Value RowBuilder::number(double value, Type type) {
  TypedAttr attr = getFloatAttr(getElementTypeOrSelf(type), value);
  if (auto row = dyn_cast<VectorType>(type))
    attr = DenseElementsAttr::get(row, attr);
  return arith::ConstantOp::create(*this, attr);
}

Value RowBuilder::loadRow(Value memref, ValueRange indices, int64_t length, Type element) {
  auto type = VectorType::get({length}, cast<MemRefType>(memref.getType()).getElementType());
  return convert(vector::LoadOp::create(*this, type, memref, indices), element);
}

void RowBuilder::storeRow(Value row, Value memref, ValueRange indices) {
  vector::StoreOp::create(*this, convert(row, cast<MemRefType>(memref.getType()).getElementType()), memref, indices);
}

Value RowBuilder::loadScalar(Value memref, ValueRange indices, Type element) {
  Value scalar = memref::LoadOp::create(*this, memref, indices);
  return element ? convert(scalar, element) : scalar;
}

void RowBuilder::storeScalar(Value scalar, Value memref, ValueRange indices) {
  Type element = cast<MemRefType>(memref.getType()).getElementType();
  memref::StoreOp::create(*this, isa<FloatType>(element) ? convert(scalar, element) : scalar, memref, indices);
}

Value RowBuilder::loadIndex(Value memref, ValueRange indices) {
  return arith::IndexCastOp::create(*this, getIndexType(), loadScalar(memref, indices));
}

Value RowBuilder::broadcast(Value scalar, int64_t length) {
  return vector::BroadcastOp::create(*this, VectorType::get({length}, scalar.getType()), scalar);
}

void RowBuilder::match(Value &a, Value &b) {
  const int64_t lengthA = getLength(a), lengthB = getLength(b);
  if (lengthA && !lengthB)
    b = broadcast(b, lengthA);
  else if (lengthB && !lengthA)
    a = broadcast(a, lengthB);
}

Value RowBuilder::add(Value a, Value b) {
  match(a, b);
  return arith::AddFOp::create(*this, a, b);
}

Value RowBuilder::sub(Value a, Value b) {
  match(a, b);
  return arith::SubFOp::create(*this, a, b);
}

Value RowBuilder::mul(Value a, Value b) {
  match(a, b);
  return arith::MulFOp::create(*this, a, b);
}

Value RowBuilder::div(Value a, Value b) {
  match(a, b);
  return arith::DivFOp::create(*this, a, b);
}

Value RowBuilder::exp(Value a) { return math::ExpOp::create(*this, a); }
Value RowBuilder::log(Value a) { return math::LogOp::create(*this, a); }
Value RowBuilder::sqrt(Value a) { return math::SqrtOp::create(*this, a); }
Value RowBuilder::negate(Value a) { return arith::NegFOp::create(*this, a); }

Value RowBuilder::sigmoid(Value x) {
  Value one = number(1.0, x.getType());
  return div(one, add(one, exp(negate(x))));
}

Value RowBuilder::sum(Value row) { return vector::ReductionOp::create(*this, vector::CombiningKind::ADD, row); }
Value RowBuilder::max(Value row) { return vector::ReductionOp::create(*this, vector::CombiningKind::MAXNUMF, row); }

static Type withElement(Type type, Type element) {
  auto row = dyn_cast<VectorType>(type);
  return row ? Type(row.clone(element)) : element;
}

Value RowBuilder::convert(Value value, Type element) {
  Type from = getElementTypeOrSelf(value.getType());
  if (from == element)
    return value;
  // In two steps where f32 lies between: widening is exact, and code generation converts 16 bits to f32 and back.
  if (from.getIntOrFloatBitWidth() == 16 && !element.isF32()) {
    from = getF32Type();
    value = arith::ExtFOp::create(*this, withElement(value.getType(), from), value);
  }
  Type type = withElement(value.getType(), element);
  if (from.getIntOrFloatBitWidth() < element.getIntOrFloatBitWidth())
    return arith::ExtFOp::create(*this, type, value);
  return arith::TruncFOp::create(*this, type, value);
}

Value RowBuilder::lanes(int64_t length) {
  Value step = vector::StepOp::create(*this, VectorType::get({length}, getIndexType()));
  return arith::IndexCastOp::create(*this, VectorType::get({length}, getI32Type()), step);
}

Value RowBuilder::select(Value condition, Value ifTrue, Value ifFalse) {
  match(ifTrue, ifFalse);
  match(condition, ifTrue);
  return arith::SelectOp::create(*this, condition, ifTrue, ifFalse);
}

} // namespace ft
