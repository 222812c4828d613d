// Dropout whose mask is a pure function of (key, step, position, feature): the derivative and a recomputation draw the
// same bits. Counter (least significant word first): step, low and high word of the global position, feature / 4; the
// feature takes word feature % 4 and is zeroed where that word is below p · 2³².
#include "compiler/Fusion/Rows/Rows.h"
#include "runtime/Plan/plan.pb.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cmath>

using namespace mlir;
using namespace ft::model;

namespace ft {

/// A whole number below 2⁵³ out of the run-time scalars, as i64.
static Value loadCount(RowBuilder &b, Value scalars, plan::Scalar number) {
  return arith::FPToSIOp::create(b, b.getI64Type(), b.loadScalar(scalars, b.index(number)));
}

static Value lowWord(RowBuilder &b, Value word) { return arith::TruncIOp::create(b, b.getI32Type(), word); }

static Value highWord(RowBuilder &b, Value word) {
  return lowWord(b, arith::ShRUIOp::create(b, word, b.integer(32, b.getI64Type())));
}

/// The number of each lane's feature: lanes of padding are not counted (and hold zeros, whatever they draw).
static Value featuresOf(RowBuilder &b, int64_t length, PaddingAttr padding) {
  Value lanes = b.lanes(length);
  if (!padding)
    return lanes;
  Value block = arith::DivUIOp::create(b, lanes, b.integer(padding.getBlock(), lanes.getType()));
  Value skipped = arith::MulIOp::create(b, block, b.integer(padding.getBlock() - padding.getUsed(), lanes.getType()));
  return arith::SubIOp::create(b, lanes, skipped);
}

/// The feature's word of the four that its block of features draws.
static Value drawWords(RowBuilder &b, Value key, Value step, Value position, int64_t length, PaddingAttr padding) {
  Value lanes = featuresOf(b, length, padding);
  Value block = arith::ShRUIOp::create(b, lanes, b.integer(2, lanes.getType()));
  Value place = arith::AndIOp::create(b, lanes, b.integer(3, lanes.getType()));
  auto draw =
      kernel::PhiloxOp::create(b, b.broadcast(lowWord(b, step), length), b.broadcast(lowWord(b, position), length),
                               b.broadcast(highWord(b, position), length), block, lowWord(b, key), highWord(b, key));
  Value word = draw.getWord0();
  for (auto [number, candidate] : {std::pair(1, draw.getWord1()), {2, draw.getWord2()}, {3, draw.getWord3()}}) {
    Value here = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, place, b.integer(number, place.getType()));
    word = b.select(here, candidate, word);
  }
  return word;
}

static LogicalResult emitDropout(DropoutOp op, RowEmitter &emitter) {
  RowBuilder &b = emitter.getBuilder();
  Value key = emitter.getMemory(op.getKey()), scalars = emitter.getMemory(op.getScalars());
  if (!key || !scalars)
    return op.emitOpError("needs its key and scalars in memory; they are computed in the same kernel");
  Type compute = getComputeType(op);
  const double p = op.getP().convertToDouble();
  Value x = emitter.row(op.getX(), compute);
  Value first =
      arith::ShLIOp::create(b, loadCount(b, scalars, plan::FIRST_POSITION_HIGH), b.integer(32, b.getI64Type()));
  first = arith::AddIOp::create(b, first, loadCount(b, scalars, plan::FIRST_POSITION_LOW));
  Value token = op.getRows() ? Value(arith::ExtUIOp::create(b, b.getI64Type(), emitter.scalar(op.getRows())))
                             : arith::IndexCastOp::create(b, b.getI64Type(), emitter.getRowIndex());
  Value word = drawWords(b, b.loadScalar(key, b.index(0)), loadCount(b, scalars, plan::STEP),
                         arith::AddIOp::create(b, first, token), getLength(x), op.getPaddingAttr());
  const auto threshold = uint32_t(std::ldexp(p, 32));
  Value dropped =
      arith::CmpIOp::create(b, arith::CmpIPredicate::ult, word, b.integer(int32_t(threshold), word.getType()));
  Value kept = b.mul(x, b.number(1.0 / (1.0 - p), x.getType()));
  emitter.define(op.getResult(), b.select(dropped, b.number(0.0, x.getType()), kept));
  return success();
}

void attachDropoutModels(MLIRContext &context) {
  attachRowModel<DropoutOp, emitDropout, rowsOfResult, firstOperands<1>>(context);
}

} // namespace ft
