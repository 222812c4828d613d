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
  const int64_t length = cast<RankedTensorType>(op.getPartials().getType()).getDimSize(1);
  Value term = emitter.run(op.getA(), length, compute);
  if (!op.getB().empty())
    term = b.mul(term, b.mul(emitter.run(op.getB()[0], length, compute), emitter.scalar(op.getScale()[0], compute)));
  emitter.accumulate(op.getPartials(), term);
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

static LogicalResult runsOfOperand(Operation *op, RowSpace &space) {
  auto partials = cast<RankedTensorType>(op->getResult(0).getType());
  space = getRunsOf(op->getOperand(0), partials.getDimSize(1));
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
  attachRowModel<ColumnPartialsOp, emitPartials, runsOfOperand, firstOperands<2>>(context);
  attachRowModel<ColumnSumOp, emitSum, columnBlocks, isAccumulate>(context);
}

} // namespace ft
