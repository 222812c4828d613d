// The numbers of quantised weights.
#include "compiler/Fusion/Codes.h"
#include "compiler/Fusion/Programs/ProgramBuilder.h"
#include "runtime/Plan/Nf4.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace ft {

/// The value of each code of a row: bits choose among constants, the lowest first, which costs 15 selections an element
/// and no access to memory.
static Value valuesOf(RowBuilder &b, Value codes) {
  const int64_t length = getLength(codes);
  SmallVector<Value> values;
  for (float value : plan::nf4Values)
    values.push_back(b.number(value, VectorType::get({length}, b.getF32Type())));
  for (int64_t bit = 1; values.size() > 1; bit *= 2) {
    Value masked = arith::AndIOp::create(b, codes, b.integer(bit, codes.getType()));
    Value isSet = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, masked, b.integer(0, codes.getType()));
    for (size_t i = 0; i < values.size() / 2; ++i)
      values[i] = b.select(isSet, values[2 * i + 1], values[2 * i]);
    values.resize(values.size() / 2);
  }
  return values.front();
}

/// The scale of block `item`, f32.
static Value scaleOf(ProgramBuilder &p, const QuantizedMatrix &matrix) {
  RowBuilder &b = p.b;
  if (!matrix.doubleQuant)
    return b.loadScalar(p[1], p.item());
  Value byte = arith::ExtUIOp::create(b, b.getI32Type(), b.loadScalar(p[1], p.item()));
  Value value = b.loadScalar(p[3], Value(arith::IndexCastOp::create(b, b.getIndexType(), byte)));
  Value outer = arith::DivUIOp::create(b, p.item(), b.index(plan::nf4NestedBlock));
  return b.add(b.mul(value, b.loadScalar(p[2], outer)), b.loadScalar(p[4], b.index(0)));
}

RowProgram buildDequantize(OpBuilder &builder, StringRef name, const QuantizedMatrix &matrix,
                           const MatrixLayout &target) {
  const plan::Nf4Layout layout(matrix.elements, matrix.doubleQuant);
  const int64_t blocks = layout.blocks, block = plan::nf4Block;
  Type f32 = builder.getF32Type(), i8 = builder.getI8Type();
  SmallVector<ProgramArgument> arguments{matrixArgument({i8, blocks, block / 2, block / 2}, Access::Read),
                                         vectorArgument(matrix.doubleQuant ? i8 : f32, blocks, Access::Read)};
  if (matrix.doubleQuant)
    for (int64_t length : {int64_t(layout.nestedBlocks), int64_t(plan::nf4NestedValues), int64_t(1)})
      arguments.push_back(vectorArgument(f32, length, Access::Read));
  arguments.push_back(matrixArgument(target, Access::Write));
  ProgramBuilder p(builder, name, arguments);
  RowBuilder &b = p.b;
  auto row = VectorType::get({block}, b.getI32Type());
  Value codes = kernel::LoadCodesOp::create(b, row, p[0], ValueRange{p.item(), b.index(0)});
  Value numbers = b.mul(valuesOf(b, codes), scaleOf(p, matrix));
  Value inRow = b.index(target.columns / block);
  Value column = arith::MulIOp::create(b, arith::RemUIOp::create(b, p.item(), inRow), b.index(block));
  b.storeRow(numbers, p[arguments.size() - 1], {arith::DivUIOp::create(b, p.item(), inRow), column});
  return p.finish(blocks);
}

RowProgram buildDequantizeRows(OpBuilder &builder, StringRef name, const MatrixLayout &codes,
                               const MatrixLayout &target) {
  ProgramBuilder p(builder, name,
                   {matrixArgument(codes, Access::Read), vectorArgument(builder.getF32Type(), codes.rows, Access::Read),
                    matrixArgument(target, Access::Write)});
  RowBuilder &b = p.b;
  SmallVector<Value> at{p.item(), b.index(0)};
  Value row = vector::LoadOp::create(b, VectorType::get({codes.columns}, b.getI8Type()), p[0], at);
  b.storeRow(b.mul(fromE4m3(b, row), b.loadScalar(p[1], p.item())), p[2], at);
  return p.finish(codes.rows);
}

} // namespace ft
