// Global norm of the gradients in two steps, and what is decided from scalars.
#include "compiler/Fusion/Programs/ProgramBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

#include <limits>

using namespace mlir;

namespace ft {

RowProgram buildSumOfSquares(OpBuilder &builder, StringRef name, Type gradient, int64_t rows, int64_t length,
                             int64_t maxItems) {
  const int64_t run = (rows + maxItems - 1) / maxItems, items = (rows + run - 1) / run;
  Type compute = getComputeType(gradient);
  ProgramBuilder p(
      builder, name,
      {matrixArgument({gradient, rows, length, length}, Access::Read), vectorArgument(compute, items, Access::Write)});
  RowBuilder &b = p.b;
  Value begin = arith::MulIOp::create(b, p.item(), b.index(run));
  Value end = arith::MinSIOp::create(b, arith::AddIOp::create(b, begin, b.index(run)), b.index(rows));
  // Sums are added one by one, whatever is loaded at once.
  auto addRows = [&](Value from, Value to, int64_t atOnce, Value before) {
    auto loop = scf::ForOp::create(b, from, to, b.index(atOnce), before);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    SmallVector<Value> sums;
    for (int64_t i = 0; i < atOnce; ++i) {
      Value number = arith::AddIOp::create(b, loop.getInductionVar(), b.index(i));
      Value row = b.loadRow(p[0], {number, b.index(0)}, length, compute);
      sums.push_back(b.sum(b.mul(row, row)));
    }
    Value total = loop.getRegionIterArg(0);
    for (Value sum : sums)
      total = b.add(total, sum);
    scf::YieldOp::create(b, total);
    return loop.getResult(0);
  };
  constexpr int64_t atOnce = 4;
  Value several = arith::DivUIOp::create(b, arith::SubIOp::create(b, end, begin), b.index(atOnce));
  Value rest = arith::AddIOp::create(b, begin, arith::MulIOp::create(b, several, b.index(atOnce)));
  Value sum = addRows(begin, rest, atOnce, b.number(0.0, compute));
  b.storeScalar(addRows(rest, end, 1, sum), p[1], p.item());
  return p.finish(items);
}

RowProgram buildNorm(OpBuilder &builder, StringRef name, Type statistic, int64_t count) {
  ProgramBuilder p(
      builder, name,
      {vectorArgument(statistic, count, Access::Read), vectorArgument(builder.getF64Type(), 1, Access::Write)});
  p.b.storeScalar(p.b.sqrt(sumInOrder(p.b, p[0], count)), p[1], p.b.index(0));
  return p.finish(1);
}

RowProgram buildCheckFinite(OpBuilder &builder, StringRef name, int32_t cause) {
  Type i32 = builder.getI32Type(), f64 = builder.getF64Type();
  ProgramBuilder p(
      builder, name,
      {vectorArgument(f64, 1, Access::Read), vectorArgument(i32, 4, Access::ReadWrite), scalarsArgument(builder)});
  RowBuilder &b = p.b;
  Value magnitude = math::AbsFOp::create(b, b.loadScalar(p[0], b.index(0)));
  // False for infinity and for NaN.
  Value finite = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, magnitude,
                                       b.number(std::numeric_limits<double>::infinity(), f64));
  Value good = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, b.loadScalar(p[1], b.index(0)), b.integer(0, i32));
  Value first = arith::AndIOp::create(b, good, arith::XOrIOp::create(b, finite, b.integer(1, b.getI1Type())));
  auto condition = scf::IfOp::create(b, first, /*withElseRegion=*/false);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(condition.thenBlock());
    auto count = [&](plan::Scalar number) -> Value {
      return arith::FPToSIOp::create(b, i32, p.runScalar(p[2], number));
    };
    b.storeScalar(b.integer(1, i32), p[1], b.index(0));
    b.storeScalar(count(plan::STEP), p[1], b.index(1));
    b.storeScalar(count(plan::MICRO_BATCH), p[1], b.index(2));
    b.storeScalar(b.integer(cause, i32), p[1], b.index(3));
  }
  return p.finish(1);
}

RowProgram buildAddScalar(OpBuilder &builder, StringRef name, bool inPlace) {
  Type f64 = builder.getF64Type();
  SmallVector<ProgramArgument> arguments{vectorArgument(f64, 1, inPlace ? Access::ReadWrite : Access::Read),
                                         vectorArgument(f64, 1, Access::Read)};
  if (!inPlace)
    arguments.push_back(vectorArgument(f64, 1, Access::Write));
  ProgramBuilder p(builder, name, arguments);
  Value zero = p.b.index(0);
  p.b.storeScalar(p.b.add(p.b.loadScalar(p[0], zero), p.b.loadScalar(p[1], zero)), p[inPlace ? 0 : 2], zero);
  return p.finish(1);
}

} // namespace ft
