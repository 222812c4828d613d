// Filling, copying and adding matrices with pitches.
#include "compiler/Fusion/Programs/Rounding.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace ft {

RowProgram buildFill(OpBuilder &builder, StringRef name, const MatrixLayout &matrix, double value) {
  ProgramBuilder p(builder, name, {matrixArgument(matrix, Access::Write)});
  p.b.storeRow(p.b.number(value, VectorType::get({matrix.columns}, matrix.type)), p[0], {p.item(), p.b.index(0)});
  return p.finish(matrix.rows);
}

RowProgram buildTiesAway(OpBuilder &builder, StringRef name, const MatrixLayout &source, const MatrixLayout &target) {
  ProgramBuilder p(builder, name, {matrixArgument(source, Access::Read), matrixArgument(target, Access::Write)});
  const SmallVector<Value> at{p.item(), p.b.index(0)};
  p.b.storeRow(roundTiesAway(p.b, p.b.loadRow(p[0], at, source.columns, source.type)), p[1], at);
  return p.finish(source.rows);
}

static ProgramArgument batchArgument(const MatrixLayout &matrix, int64_t count, int64_t pitch, Access access) {
  auto strides = StridedLayoutAttr::get(matrix.type.getContext(), 0, {pitch, matrix.pitch, 1});
  return {MemRefType::get({count, matrix.rows, matrix.columns}, matrix.type, strides), access};
}

RowProgram buildCopy(OpBuilder &builder, StringRef name, const MatrixLayout &source, const MatrixLayout &target,
                     const MatrixBatch &batch) {
  SmallVector<ProgramArgument> arguments{matrixArgument(source, Access::Read), matrixArgument(target, Access::Write)};
  if (batch.count > 1)
    arguments = {batchArgument(source, batch.count, batch.sourcePitch, Access::Read),
                 batchArgument(target, batch.count, batch.targetPitch, Access::Write)};
  ProgramBuilder p(builder, name, arguments);
  SmallVector<Value> at{p.item(), p.b.index(0)};
  if (batch.count > 1) {
    Value rows = p.b.index(source.rows);
    at = {arith::DivUIOp::create(p.b, p.item(), rows), arith::RemUIOp::create(p.b, p.item(), rows), p.b.index(0)};
  }
  p.b.storeRow(p.b.loadRow(p[0], at, source.columns, source.type), p[1], at);
  return p.finish(batch.count * source.rows);
}

RowProgram buildAdd(OpBuilder &builder, StringRef name, const MatrixLayout &lhs, const MatrixLayout &rhs,
                    const MatrixLayout &sum, bool inPlace) {
  SmallVector<ProgramArgument> arguments{matrixArgument(lhs, inPlace ? Access::ReadWrite : Access::Read),
                                         matrixArgument(rhs, Access::Read)};
  if (!inPlace)
    arguments.push_back(matrixArgument(sum, Access::Write));
  ProgramBuilder p(builder, name, arguments);
  Type compute = getComputeType(lhs.type);
  for (Type type : {rhs.type, sum.type})
    if (type.isF64())
      compute = type;
  SmallVector<Value> at{p.item(), p.b.index(0)};
  Value total = p.b.add(p.b.loadRow(p[0], at, lhs.columns, compute), p.b.loadRow(p[1], at, lhs.columns, compute));
  p.b.storeRow(total, p[inPlace ? 0 : 2], at);
  return p.finish(lhs.rows);
}

} // namespace ft
