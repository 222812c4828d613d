#include "compiler/Fusion/Codes.h"

#include "runtime/Plan/Fp8.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <bit>

using namespace mlir;

namespace ft {

namespace {

/// Arithmetic on the bits of a row of f32.
class Bits {
public:
  Bits(RowBuilder &b, int64_t length)
      : b(b), words(VectorType::get({length}, b.getI32Type())), reals(VectorType::get({length}, b.getF32Type())) {}

  Value word(uint32_t value) { return b.integer(static_cast<int32_t>(value), words); }
  Value bitsOf(float value) { return word(std::bit_cast<uint32_t>(value)); }
  Value bits(Value real) { return arith::BitcastOp::create(b, words, real); }
  Value real(Value bits) { return arith::BitcastOp::create(b, reals, bits); }
  Value add(Value x, Value y) { return arith::AddIOp::create(b, x, y); }
  Value sub(Value x, Value y) { return arith::SubIOp::create(b, x, y); }
  Value both(Value x, uint32_t y) { return arith::AndIOp::create(b, x, word(y)); }
  Value either(Value x, Value y) { return arith::OrIOp::create(b, x, y); }
  Value right(Value x, uint32_t count) { return arith::ShRUIOp::create(b, x, word(count)); }
  Value left(Value x, uint32_t count) { return arith::ShLIOp::create(b, x, word(count)); }
  Value is(arith::CmpIPredicate predicate, Value x, Value y) { return arith::CmpIOp::create(b, predicate, x, y); }

  RowBuilder &b;
  VectorType words, reals;
};

} // namespace

Value toE4m3(RowBuilder &b, Value row) {
  using enum arith::CmpIPredicate;
  Bits of(b, getLength(row));
  Value bits = of.bits(row), magnitude = of.both(bits, 0x7fffffffu);
  Value small = of.sub(of.bits(b.add(of.real(magnitude), b.number(0x1p14, of.reals))), of.bitsOf(0x1p14f));
  Value tie = of.both(of.right(magnitude, 20), 1);
  Value normal = of.sub(of.right(of.add(of.add(magnitude, of.word(0x7ffff)), tie), 20), of.word(120u << 3));
  Value code = b.select(of.is(ult, magnitude, of.bitsOf(0x1p-6f)), small, normal);
  code = b.select(of.is(uge, magnitude, of.bitsOf(plan::e4m3Largest)), of.word(plan::e4m3LargestCode), code);
  code = b.select(of.is(ugt, magnitude, of.word(0x7f800000u)), of.word(plan::e4m3NoNumber), code);
  code = of.either(code, of.both(of.right(bits, 24), 0x80));
  return arith::TruncIOp::create(b, VectorType::get({getLength(row)}, b.getI8Type()), code);
}

Value fromE4m3(RowBuilder &b, Value codes) {
  using enum arith::CmpIPredicate;
  Bits of(b, getLength(codes));
  Value code = arith::ExtUIOp::create(b, of.words, codes), magnitude = of.both(code, 0x7f);
  Value small = b.sub(of.real(of.either(magnitude, of.bitsOf(0x1p14f))), b.number(0x1p14, of.reals));
  Value normal = of.add(of.left(magnitude, 20), of.word(120u << 23));
  Value bits = b.select(of.is(ult, magnitude, of.word(8)), of.bits(small), normal);
  bits = b.select(of.is(eq, magnitude, of.word(plan::e4m3NoNumber)), of.word(0x7fc00000u), bits);
  return of.real(of.either(bits, of.left(of.both(code, 0x80), 24)));
}

Value fp8Scale(RowBuilder &b, Value largest) {
  using enum arith::CmpFPredicate;
  Type f32 = largest.getType();
  Value least = b.number(plan::fp8LeastScale, f32);
  Value scale = b.div(largest, b.number(plan::e4m3Largest, f32));
  scale = b.select(arith::CmpFOp::create(b, OLT, scale, least), least, scale);
  Value isZero = arith::CmpFOp::create(b, OEQ, largest, b.number(0.0, f32));
  return b.select(isZero, b.number(1.0, f32), scale);
}

} // namespace ft
