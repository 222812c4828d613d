// The two halves of a column reduction.
#include "compiler/Fusion/Rows/Rows.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace ft::kernel;

namespace ft {

static LogicalResult emitPartials(ColumnPartialsOp op, RowEmitter &emitter) {
  RowBuilder &b = emitter.getBuilder();
  Type compute = getElementTypeOrSelf(op.getPartials().getType());
  Value scaled = b.mul(emitter.row(op.getB(), compute), emitter.scalar(op.getScale(), compute));
  emitter.accumulate(op.getPartials(), b.mul(emitter.row(op.getA(), compute), scaled));
  return success();
}

static LogicalResult emitSum(ColumnSumOp op, RowEmitter &emitter) {
  RowBuilder &b = emitter.getBuilder();
  Value partials = emitter.getMemory(op.getPartials());
  Value before = op.getAccumulate() ? emitter.getMemory(op.getAccumulate()) : Value();
  if (!partials || (op.getAccumulate() && !before))
    return op.emitOpError("needs its operands in memory; one is computed in the same kernel");
  auto type = cast<RankedTensorType>(op.getPartials().getType());
  Type compute = getComputeType(op);
  const int64_t block = getColumnBlock(type.getDimSize(1));
  Value column = arith::MulIOp::create(b, emitter.getRowIndex(), b.index(block));
  Value zero = b.number(0.0, VectorType::get({block}, compute));
  auto loop = scf::ForOp::create(b, b.index(0), b.index(type.getDimSize(0)), b.index(1), zero);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Value row = b.loadRow(partials, {loop.getInductionVar(), column}, block, compute);
    scf::YieldOp::create(b, b.add(loop.getRegionIterArg(0), row));
  }
  Value sum = loop.getResult(0);
  if (before)
    sum = b.add(sum, b.loadRow(before, column, block, compute));
  emitter.defineAt(op.getSum(), column, sum);
  return success();
}

static LogicalResult rowsOfOperand(Operation *op, RowSpace &space) {
  space = getRowsOf(op->getOperand(0));
  return success();
}

static LogicalResult columnBlocks(Operation *op, RowSpace &space) {
  const int64_t columns = cast<RankedTensorType>(op->getResult(0).getType()).getDimSize(0);
  space = {RowSpace::Kind::ColumnBlocks, columns / getColumnBlock(columns)};
  return success();
}

/// A block of `accumulate` is read where the block of the sum is written; all of the partials are.
static bool isAccumulate(unsigned operand) { return operand == 1; }

void attachColumnModels(MLIRContext &context) {
  attachRowModel<ColumnPartialsOp, emitPartials, rowsOfOperand, firstOperands<2>>(context);
  attachRowModel<ColumnSumOp, emitSum, columnBlocks, isAccumulate>(context);
}

} // namespace ft
