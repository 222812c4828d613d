#include "compiler/Fusion/MomentCodes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using ft::plan::DynamicMap;

namespace ft {

namespace {

/// A row of f32 that is rounded to an integer by adding this, which then lies in its lowest bits.
constexpr double roundsToInteger = 0x1.8p23;

/// Arithmetic on the numbers of a map, which are rows of i32, and on rows of f32.
class Numbers {
public:
  Numbers(RowBuilder &b, DynamicMap map, int64_t length)
      : b(b), map(map), words(VectorType::get({length}, b.getI32Type())),
        reals(VectorType::get({length}, b.getF32Type())) {}

  Value word(int64_t value) { return b.integer(value, words); }
  Value real(double value) { return b.number(value, reals); }
  Value is(arith::CmpIPredicate predicate, Value x, int64_t y) {
    return arith::CmpIOp::create(b, predicate, x, word(y));
  }
  Value is(arith::CmpFPredicate predicate, Value x, Value y) { return arith::CmpFOp::create(b, predicate, x, y); }
  Value add(Value x, Value y) { return arith::AddIOp::create(b, x, y); }
  Value sub(Value x, Value y) { return arith::SubIOp::create(b, x, y); }

  /// Of each element what `of` says of the last decade that `isIn` says it is in: those above are asked in turn.
  template <typename Of> Value byDecade(ArrayRef<Value> isIn, Of of) {
    Value found = of(0);
    for (int e = 1; e < DynamicMap::decades; ++e)
      found = b.select(isIn[e - 1], of(e), found);
    return found;
  }

  RowBuilder &b;
  const DynamicMap map;
  VectorType words, reals;
};

} // namespace

Value fromDynamicMap(RowBuilder &b, DynamicMap map, Value codes) {
  using enum arith::CmpIPredicate;
  Numbers of(b, map, getLength(codes));
  Value code = arith::ExtUIOp::create(b, of.words, codes), number = code, negative;
  if (map.isSigned) {
    negative = of.is(ugt, code, map.last());
    number = b.select(negative, of.sub(of.word(256), code), code);
  }
  SmallVector<Value> isIn;
  for (int e = 1; e < DynamicMap::decades; ++e)
    isIn.push_back(of.is(uge, number, map.first(e)));
  // (start + step / 2 + step · (number − first)) / denominator: the part that is the decade's is a constant of it.
  Value offset =
      of.byDecade(isIn, [&](int e) { return of.real(map.start(e) + map.step / 2 - map.step * float(map.first(e))); });
  Value denominator = of.byDecade(isIn, [&](int e) { return of.real(map.denominator(e)); });
  Value real = arith::SIToFPOp::create(b, of.reals, number);
  Value value = b.div(b.add(b.mul(real, of.real(map.step)), offset), denominator);
  value = b.select(of.is(eq, number, map.last()), of.real(1), value);
  value = b.select(of.is(eq, number, 0), of.real(0), value);
  return negative ? b.select(negative, b.negate(value), value) : value;
}

Value toDynamicMap(RowBuilder &b, DynamicMap map, Value row) {
  using enum arith::CmpFPredicate;
  Numbers of(b, map, getLength(row));
  Value x = map.isSigned ? Value(math::AbsFOp::create(b, row)) : row;
  x = b.select(of.is(OLT, x, of.real(1)), x, of.real(1)); // what is no number as well
  SmallVector<Value> isIn;
  for (int e = 1; e < DynamicMap::decades; ++e)
    isIn.push_back(of.is(OGT, x, of.real(map.border(e))));
  Value denominator = of.byDecade(isIn, [&](int e) { return of.real(map.denominator(e)); });
  Value start = of.byDecade(isIn, [&](int e) { return of.real(map.start(e)); });
  Value first = of.byDecade(isIn, [&](int e) { return of.word(map.first(e)); });
  Value last = of.byDecade(isIn, [&](int e) { return of.word(map.first(e) + map.count(e) - 1); });
  Value at = b.mul(x, denominator);
  Value behind = b.mul(b.sub(at, start), of.real(1 / map.step));
  behind = b.select(of.is(OGT, behind, of.real(0)), behind, of.real(0));
  Value shifted = b.add(behind, of.real(roundsToInteger)); // the nearest edge between two numbers
  Value edge = b.sub(shifted, of.real(roundsToInteger));
  Value edgeBits = arith::BitcastOp::create(b, of.words, shifted);
  Value threshold = b.add(start, b.mul(edge, of.real(map.step)));
  Value odd = of.is(arith::CmpIPredicate::ne, arith::AndIOp::create(b, edgeBits, of.word(1)), 0);
  Value tieGoesUp = arith::AndIOp::create(b, of.is(OEQ, at, threshold), odd);
  Value above = arith::OrIOp::create(b, of.is(OGT, at, threshold), tieGoesUp);
  // Among the decade's: its own borders have been asked for.
  Value number = of.add(first, arith::AndIOp::create(b, edgeBits, of.word(0xff)));
  number = b.select(above, number, of.sub(number, of.word(1)));
  number = arith::MaxSIOp::create(b, number, first);
  number = arith::MinSIOp::create(b, number, last);
  Value isZero = of.is(map.isSigned ? OLT : OLE, x, of.real(map.border(0)));
  number = b.select(isZero, of.word(0), number);
  number = b.select(of.is(OGT, x, of.real(map.border(DynamicMap::decades))), of.word(map.last()), number);
  if (map.isSigned) {
    Value negative = of.is(OLT, row, of.real(0));
    Value magnitude = arith::MinSIOp::create(b, arith::MaxSIOp::create(b, number, of.word(1)), of.word(127));
    number = b.select(negative, of.sub(of.word(256), magnitude), number);
  }
  return arith::TruncIOp::create(b, VectorType::get({getLength(row)}, b.getI8Type()), number);
}

Value inverseOfScale(RowBuilder &b, Value scale) {
  Type f32 = scale.getType();
  Value least = b.number(DynamicMap::leastScale, f32);
  Value isLess = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, scale, least);
  return b.div(b.number(1.0, f32), b.select(isLess, least, scale));
}

} // namespace ft
