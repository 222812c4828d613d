#include "compiler/Fusion/Programs/Rounding.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cassert>

using namespace mlir;

namespace ft {

/// The upper halves of `words`, which `row` became, as bf16; NaN where that is none.
static Value upperHalf(RowBuilder &b, Value row, Value words) {
  auto type = cast<VectorType>(row.getType());
  Value isNan = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, row, row);
  words = b.select(isNan, b.integer(0x7fc00000, words.getType()), words);
  Value half = arith::ShRUIOp::create(b, words, b.integer(16, words.getType()));
  return arith::BitcastOp::create(b, type.clone(b.getBF16Type()),
                                  arith::TruncIOp::create(b, type.clone(b.getI16Type()), half));
}

static Value lowWord(RowBuilder &b, Value word) { return arith::TruncIOp::create(b, b.getI32Type(), word); }

RoundingBits::RoundingBits(ProgramBuilder &p, Value keyMemory, Value firstRow, Value scalars, int64_t length) : b(p.b) {
  assert(length == bucketRow || length == roundingPiece);
  Value key = b.loadScalar(keyMemory, b.index(0));
  Value high = arith::ShRUIOp::create(b, key, b.integer(32, key.getType()));
  Value step = arith::FPToSIOp::create(b, b.getI32Type(), p.runScalar(scalars, plan::STEP));
  Value item = arith::IndexCastOp::create(b, b.getI64Type(), p.item()), piece;
  if (length == roundingPiece) {
    Value pieces = b.integer(roundingPieces, item.getType());
    piece = lowWord(b, arith::RemUIOp::create(b, item, pieces));
    item = arith::DivUIOp::create(b, item, pieces);
  }
  Value row = lowWord(b, arith::AddIOp::create(b, b.loadScalar(firstRow, b.index(0)), item));
  Value lanes = b.lanes(roundingPiece);
  auto block = kernel::PhiloxOp::create(b, b.broadcast(step, roundingPiece), b.broadcast(row, roundingPiece), lanes,
                                        b.integer(0, lanes.getType()), lowWord(b, key), lowWord(b, high));
  words = {block.getWord0(), block.getWord1(), block.getWord2(), block.getWord3()};
  if (!piece)
    return;
  piece = b.broadcast(piece, roundingPiece);
  for (int64_t other = 1; other < roundingPieces; ++other) {
    Value isOther = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, piece, b.integer(other, piece.getType()));
    words[0] = b.select(isOther, words[other], words[0]);
  }
}

Value RoundingBits::bits(Rounded what, int64_t piece) {
  Value word = words[piece];
  if (what != Rounded::ExpAvg)
    word = arith::ShRUIOp::create(b, word, b.integer(what == Rounded::ExpAvgSq ? 16 : 8, word.getType()));
  return what == Rounded::ExpAvgSq ? word : arith::AndIOp::create(b, word, b.integer(0xffff, word.getType()));
}

/// The 16 bits that bf16 lacks, and random ones on top of them: their carry rounds up.
Value RoundingBits::round(Value row, Rounded what, int64_t piece) {
  auto type = cast<VectorType>(row.getType());
  VectorType words = type.clone(b.getI32Type());
  Value sum = arith::AddIOp::create(b, arith::BitcastOp::create(b, words, row), bits(what, piece));
  return upperHalf(b, row, sum);
}

Value roundTiesAway(RowBuilder &b, Value row) {
  VectorType words = cast<VectorType>(row.getType()).clone(b.getI32Type());
  Value bits = arith::BitcastOp::create(b, words, row);
  return upperHalf(b, row, arith::AddIOp::create(b, bits, b.integer(0x8000, words)));
}

Halves splitInHalves(RowBuilder &b, Value row) {
  VectorType type = cast<VectorType>(row.getType());
  Value bits = arith::BitcastOp::create(b, type.clone(b.getI32Type()), row);
  return {roundTiesAway(b, row), arith::TruncIOp::create(b, type.clone(b.getI16Type()), bits)};
}

Value joinHalves(RowBuilder &b, const Halves &halves) {
  VectorType half = cast<VectorType>(halves.remainder.getType()), words = half.clone(b.getI32Type());
  Value high = arith::ExtUIOp::create(b, words, arith::BitcastOp::create(b, half, halves.rounded));
  high = arith::ShLIOp::create(b, high, b.integer(16, words));
  Value low = arith::ExtSIOp::create(b, words, halves.remainder);
  return arith::BitcastOp::create(b, half.clone(b.getF32Type()), arith::AddIOp::create(b, high, low));
}

} // namespace ft
