// The row kernels of tiled attention.
#include "compiler/Fusion/Programs/ProgramBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <limits>

using namespace mlir;

namespace ft {

static ProgramArgument matrices(const AttentionTile &tile, Type type, int64_t headPitch, int64_t pitch, Access access) {
  auto layout = StridedLayoutAttr::get(type.getContext(), 0, {headPitch, pitch, 1});
  return {MemRefType::get({tile.heads, tile.rows, tile.keys}, type, layout), access};
}

static ProgramArgument tileArgument(const AttentionTile &tile) {
  return matrices(tile, tile.type, tile.headPitch, tile.pitch, tile.resultType ? Access::Read : Access::ReadWrite);
}

static ProgramArgument resultArgument(const AttentionTile &tile) {
  return matrices(tile, tile.resultType, tile.resultHeadPitch, tile.resultPitch, Access::Write);
}

static ProgramArgument statisticArgument(const AttentionTile &tile, Access access) {
  return matrixArgument({getComputeType(tile.type), tile.rows, tile.heads, tile.statisticPitch}, access);
}

namespace {
/// One row of a tile: item = head · rows + row.
struct TileRow {
  Value head, row, valid;
  SmallVector<Value> place, statistic;
};
} // namespace

/// `valid`: keys from the start of the query's document, and inside its window, up to the query itself.
static TileRow locate(ProgramBuilder &p, const AttentionTile &tile, Value documentStart, Value base) {
  RowBuilder &b = p.b;
  TileRow at;
  at.head = arith::DivUIOp::create(b, p.item(), b.index(tile.rows));
  at.row = arith::RemUIOp::create(b, p.item(), b.index(tile.rows));
  at.place = {at.head, at.row, b.index(0)};
  at.statistic = {at.row, at.head};
  Value row = arith::IndexCastOp::create(b, b.getI32Type(), at.row);
  Value query = arith::AddIOp::create(b, b.loadScalar(base, b.index(0)), row);
  Value lanes = b.lanes(tile.keys);
  Value started = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, lanes,
                                        b.broadcast(b.loadScalar(documentStart, at.row), tile.keys));
  Value past = arith::CmpIOp::create(b, arith::CmpIPredicate::sle, lanes, b.broadcast(query, tile.keys));
  at.valid = arith::AndIOp::create(b, started, past);
  if (tile.window == 0)
    return at;
  Value last = arith::SubIOp::create(b, query, b.integer(tile.window, b.getI32Type()));
  Value near = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, lanes, b.broadcast(last, tile.keys));
  at.valid = arith::AndIOp::create(b, at.valid, near);
  return at;
}

RowProgram buildAttentionSoftmax(OpBuilder &builder, StringRef name, const AttentionTile &tile) {
  Type compute = getComputeType(tile.type), i32 = builder.getI32Type();
  SmallVector<ProgramArgument> arguments{tileArgument(tile), vectorArgument(i32, tile.rows, Access::Read),
                                         vectorArgument(i32, 1, Access::Read), statisticArgument(tile, Access::Write)};
  if (tile.resultType)
    arguments.push_back(resultArgument(tile));
  ProgramBuilder p(builder, name, arguments);
  RowBuilder &b = p.b;
  TileRow at = locate(p, tile, p[1], p[2]);
  Value scores = b.loadRow(p[0], at.place, tile.keys, compute);
  Value none = b.number(-std::numeric_limits<double>::infinity(), compute), zero = b.number(0.0, compute);
  // A query sees itself, so the maximum is finite.
  Value max = b.max(b.select(at.valid, scores, none));
  Value weights = b.select(at.valid, b.exp(b.sub(scores, max)), zero);
  Value sum = b.sum(weights);
  b.storeScalar(b.add(max, b.log(sum)), p[3], at.statistic);
  b.storeRow(b.mul(weights, b.div(b.number(1.0, compute), sum)), p[tile.resultType ? 4 : 0], at.place);
  return p.finish(tile.heads * tile.rows);
}

RowProgram buildAttentionSoftmaxBackward(OpBuilder &builder, StringRef name, const AttentionTile &tile, double scale) {
  Type compute = getComputeType(tile.type), i32 = builder.getI32Type();
  SmallVector<ProgramArgument> arguments{tileArgument(tile),
                                         tileArgument(tile),
                                         vectorArgument(i32, tile.rows, Access::Read),
                                         vectorArgument(i32, 1, Access::Read),
                                         statisticArgument(tile, Access::Read),
                                         statisticArgument(tile, Access::Read)};
  if (tile.resultType)
    arguments.append(2, resultArgument(tile));
  ProgramBuilder p(builder, name, arguments);
  RowBuilder &b = p.b;
  TileRow at = locate(p, tile, p[2], p[3]);
  Value lse = b.loadScalar(p[4], at.statistic, compute), delta = b.loadScalar(p[5], at.statistic, compute);
  Value zero = b.number(0.0, compute);
  Value scores = b.loadRow(p[0], at.place, tile.keys, compute);
  Value gradient = b.loadRow(p[1], at.place, tile.keys, compute);
  Value probability = b.select(at.valid, b.exp(b.sub(scores, lse)), zero);
  Value scoreGradient = b.mul(b.mul(probability, b.sub(gradient, delta)), b.number(scale, compute));
  const unsigned results = tile.resultType ? 6 : 0;
  b.storeRow(probability, p[results], at.place);
  b.storeRow(b.select(at.valid, scoreGradient, zero), p[results + 1], at.place);
  return p.finish(tile.heads * tile.rows);
}

RowProgram buildAttentionDelta(OpBuilder &builder, StringRef name, const MatrixLayout &gradient,
                               const MatrixLayout &output, int64_t headDim) {
  const int64_t heads = output.columns / headDim;
  Type compute = getComputeType(output.type);
  ProgramBuilder p(builder, name,
                   {matrixArgument(gradient, Access::Read), matrixArgument(output, Access::Read),
                    matrixArgument({compute, output.rows, heads, heads}, Access::Write)});
  RowBuilder &b = p.b;
  Value token = arith::DivUIOp::create(b, p.item(), b.index(heads));
  Value head = arith::RemUIOp::create(b, p.item(), b.index(heads));
  Value column = arith::MulIOp::create(b, head, b.index(headDim));
  Value product =
      b.mul(b.loadRow(p[0], {token, column}, headDim, compute), b.loadRow(p[1], {token, column}, headDim, compute));
  b.storeScalar(b.sum(product), p[2], {token, head});
  return p.finish(output.rows * heads);
}

} // namespace ft
