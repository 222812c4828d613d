// Gradient of an embedding, by segments of equal token ids; one row out of a matrix.
#include "compiler/Fusion/Programs/ProgramBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace ft {

/// Σ over positions[begin .. end) of the gradient's rows, in this order.
static Value sumSegment(RowBuilder &b, Value gradient, Value positions, Value begin, Value end, VectorType row) {
  auto loop = scf::ForOp::create(b, begin, end, b.index(1), b.number(0.0, row));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value token = b.loadIndex(positions, loop.getInductionVar());
  Value next = b.loadRow(gradient, {token, b.index(0)}, row.getDimSize(0), row.getElementType());
  scf::YieldOp::create(b, b.add(loop.getRegionIterArg(0), next));
  return loop.getResult(0);
}

RowProgram buildEmbeddingGrad(OpBuilder &builder, StringRef name, const MatrixLayout &gradient,
                              const MatrixLayout &table, int64_t segments, bool accumulate) {
  Type i32 = builder.getI32Type(), compute = getComputeType(table.type);
  ProgramBuilder p(builder, name,
                   {matrixArgument(gradient, Access::Read), vectorArgument(i32, gradient.rows, Access::Read),
                    vectorArgument(i32, segments + 1, Access::Read), vectorArgument(i32, segments, Access::Read),
                    matrixArgument(table, Access::ReadWrite)});
  RowBuilder &b = p.b;
  Value begin = b.loadIndex(p[2], p.item());
  Value end = b.loadIndex(p[2], Value(arith::AddIOp::create(b, p.item(), b.index(1))));
  Value holdsTokens = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, begin, end);
  auto condition = scf::IfOp::create(b, holdsTokens, /*withElseRegion=*/false);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(condition.thenBlock());
    Value id = b.loadIndex(p[3], p.item());
    Value sum = sumSegment(b, p[0], p[1], begin, end, VectorType::get({table.columns}, compute));
    if (accumulate)
      sum = b.add(b.loadRow(p[4], {id, b.index(0)}, table.columns, compute), sum);
    b.storeRow(sum, p[4], {id, b.index(0)});
  }
  return p.finish(segments);
}

RowProgram buildGatherRow(OpBuilder &builder, StringRef name, const MatrixLayout &matrix, Type resultType) {
  ProgramBuilder p(builder, name,
                   {matrixArgument(matrix, Access::Read), vectorArgument(builder.getI32Type(), 1, Access::Read),
                    vectorArgument(resultType, matrix.columns, Access::Write)});
  RowBuilder &b = p.b;
  Value row = b.loadIndex(p[1], b.index(0));
  b.storeRow(b.loadRow(p[0], {row, b.index(0)}, matrix.columns, matrix.type), p[2], b.index(0));
  return p.finish(1);
}

} // namespace ft
