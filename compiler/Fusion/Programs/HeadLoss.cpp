// Cross entropy over a chunk of logits, and the sum of its rows.
#include "compiler/Fusion/Programs/ProgramBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace ft {

/// The row's softmax denominator and maximum, so that p = e^(x − max) / sum.
static std::pair<Value, Value> softmaxOf(RowBuilder &b, Value row) {
  Value max = b.max(row);
  return {max, b.sum(b.exp(b.sub(row, max)))};
}

RowProgram buildHeadLoss(OpBuilder &builder, StringRef name, const MatrixLayout &logits, bool gradient, bool scaled) {
  Type compute = getComputeType(logits.type), i32 = builder.getI32Type();
  SmallVector<ProgramArgument> arguments{matrixArgument(logits, gradient ? Access::ReadWrite : Access::Read),
                                         vectorArgument(i32, logits.rows, Access::Read), scalarsArgument(builder),
                                         vectorArgument(compute, logits.rows, Access::Write)};
  if (scaled)
    arguments.push_back(vectorArgument(builder.getF64Type(), plan::LOSS_SCALE_COUNT, Access::Read));
  ProgramBuilder p(builder, name, arguments);
  RowBuilder &b = p.b;
  Value label = b.loadScalar(p[1], p.item());
  Value isTarget = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, label, b.integer(0, i32));
  // A row without a label reads element 0 and drops what follows from it.
  Value column = arith::IndexCastOp::create(b, b.getIndexType(), b.select(isTarget, label, b.integer(0, i32)));
  Value ofLabel = b.loadScalar(p[0], {p.item(), column}, compute);
  Value row = b.loadRow(p[0], {p.item(), b.index(0)}, logits.columns, compute);
  auto [max, sum] = softmaxOf(b, row);
  Value zero = b.number(0.0, compute);
  Value nll = b.sub(b.add(max, b.log(sum)), ofLabel);
  b.storeScalar(b.select(isTarget, nll, zero), p[3], p.item());
  if (!gradient)
    return p.finish(logits.rows);
  Value weight = p.runScalar(p[2], plan::INVERSE_TARGETS);
  if (scaled)
    weight = b.mul(weight, b.loadScalar(p[4], b.index(plan::CURRENT_SCALE)));
  weight = b.convert(weight, compute);
  Value inverse = b.div(b.number(1.0, compute), sum);
  // A row without a label must become zero even where its logits are not finite.
  auto branch = scf::IfOp::create(b, isTarget, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  b.storeRow(b.mul(b.mul(b.exp(b.sub(row, max)), inverse), weight), p[0], {p.item(), b.index(0)});
  // The label's, again: comparing each column with it would cost a fifth of a GPU's time here.
  Value probability = b.mul(b.exp(b.sub(ofLabel, max)), inverse);
  b.storeScalar(b.mul(b.sub(probability, b.number(1.0, compute)), weight), p[0], {p.item(), column});
  b.setInsertionPointToStart(branch.elseBlock());
  b.storeRow(b.number(0.0, VectorType::get({logits.columns}, compute)), p[0], {p.item(), b.index(0)});
  b.setInsertionPointAfter(branch);
  return p.finish(logits.rows);
}

RowProgram buildLossSum(OpBuilder &builder, StringRef name, int64_t tokens, Type statistic) {
  ProgramBuilder p(builder, name,
                   {vectorArgument(statistic, tokens, Access::Read), scalarsArgument(builder),
                    vectorArgument(builder.getF64Type(), 1, Access::Write)});
  Value sum = sumInOrder(p.b, p[0], tokens);
  p.b.storeScalar(p.b.mul(sum, p.runScalar(p[1], plan::INVERSE_TARGETS)), p[2], p.b.index(0));
  return p.finish(1);
}

} // namespace ft
