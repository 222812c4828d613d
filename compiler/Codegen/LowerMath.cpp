// kernel-lower-math: exp, log, rsqrt and kernel.philox become arith and math.fma, the same operations on every target,
// so CPU and GPU agree and nothing calls a library.
//   exp  f32  Cephes expf (S. Moshier) with fma; within 1.1 ulp. f64: Taylor degree 13 on |r| ≤ ln2/2, error below
//   1e-16. log  f32  Cephes logf; within 1.1 ulp.  f64: fdlibm's log, within 1 ulp. rsqrt     1 / sqrt, both rounded as
//   IEEE says.
// Gradual underflow, ±0, ±inf and NaN come out as C's functions give them; NaN payloads are not kept.
#include "compiler/Codegen/Passes.h"
#include "dialects/Kernel/Kernel.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/TypeUtilities.h"

namespace ft::kernel {
#define GEN_PASS_DEF_KERNELLOWERMATH
#include "compiler/Codegen/Codegen.h.inc"
} // namespace ft::kernel

using namespace mlir;
using namespace ft::kernel;

namespace {

/// Writes elementwise arithmetic on one float type, scalar or vector, and on the integers of its width.
class Arithmetic {
public:
  Arithmetic(Operation *op, Type type) : b(op->getLoc(), op), real(type) {
    unsigned width = getElementTypeOrSelf(type).getIntOrFloatBitWidth();
    integer = b.getIntegerType(width);
    if (auto shaped = dyn_cast<ShapedType>(type))
      integer = shaped.clone(integer);
  }
  Value constant(double value) { return splat(real, b.getFloatAttr(getElementTypeOrSelf(real), value)); }
  Value constantInt(int64_t value) { return splat(integer, b.getIntegerAttr(getElementTypeOrSelf(integer), value)); }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, x, y); }
  Value fma(Value x, Value y, Value z) { return math::FmaOp::create(b, x, y, z); }
  Value addInt(Value x, Value y) { return arith::AddIOp::create(b, x, y); }
  Value subInt(Value x, Value y) { return arith::SubIOp::create(b, x, y); }
  Value compare(arith::CmpFPredicate predicate, Value x, double y) {
    return arith::CmpFOp::create(b, predicate, x, constant(y));
  }
  Value select(Value condition, Value x, Value y) { return arith::SelectOp::create(b, condition, x, y); }
  Value bits(Value x) { return arith::BitcastOp::create(b, integer, x); }
  Value number(Value x) { return arith::BitcastOp::create(b, real, x); }
  /// Horner's rule, highest coefficient first.
  Value polynomial(Value x, ArrayRef<double> coefficients) {
    Value sum = constant(coefficients.front());
    for (double c : coefficients.drop_front())
      sum = fma(sum, x, constant(c));
    return sum;
  }

  mlir::ImplicitLocOpBuilder b;
  Type real, integer;

private:
  Value splat(Type type, TypedAttr value) {
    if (auto shaped = dyn_cast<ShapedType>(type))
      value = DenseElementsAttr::get(shaped, Attribute(value));
    return arith::ConstantOp::create(b, value);
  }
};

/// What differs between f32 and f64 in exp and log.
struct Format {
  int64_t mantissaBits, bias;
  double roundingShift;   ///< 1.5 · 2^mantissaBits: adding it rounds to an integer, whose bits are the low ones
  int64_t roundingBits;   ///< of roundingShift
  double ln2High, ln2Low; ///< their sum is ln 2; High has trailing zeros, so that n · High is exact
  double expLow, expHigh; ///< below and above, exp is 0 and infinite
  int64_t sqrtHalfBits;
  double smallestNormal;
};
constexpr Format single{23,   127, 12582912.0, 0x4B400000,    0.693359375, -2.12194440e-4,
                        -105, 89,  0x3f3504f3, 1.17549435e-38};
constexpr Format twice{
    52,   1023, 6755399441055744.0, 0x4338000000000000,     6.93147180369123816490e-01, 1.90821492927058770002e-10,
    -746, 710,  0x3fe6a09e667f3bcd, 2.2250738585072014e-308};

// exp(x) = 2^n · exp(r), n = round(x / ln 2). The scale is applied in two halves: 2^n alone may leave the range where
// the result does not. The bits of roundingShift above those of n leave their word when the halves become exponents.
// Comparisons are false for NaN, which so passes through.
Value expandExp(Arithmetic &a, Value x, const Format &format) {
  x = a.select(a.compare(arith::CmpFPredicate::OGT, x, format.expHigh), a.constant(format.expHigh), x);
  x = a.select(a.compare(arith::CmpFPredicate::OLT, x, format.expLow), a.constant(format.expLow), x);
  Value shifted = a.fma(x, a.constant(1.44269504088896340736), a.constant(format.roundingShift));
  Value n = a.sub(shifted, a.constant(format.roundingShift));
  Value r = a.fma(n, a.constant(-format.ln2High), x);
  r = a.fma(n, a.constant(-format.ln2Low), r);
  static const double cephes[] = {1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3,
                                  4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1};
  static const double taylor[] = {1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800,
                                  1.0 / 362880,     1.0 / 40320,     1.0 / 5040,     1.0 / 720,
                                  1.0 / 120,        1.0 / 24,        1.0 / 6,        0.5};
  Value p = a.polynomial(r, &format == &single ? ArrayRef<double>(cephes) : ArrayRef<double>(taylor));
  Value y = a.add(a.fma(p, a.mul(r, r), r), a.constant(1.0));
  Value power = a.bits(shifted);
  Value half = arith::ShRSIOp::create(a.b, power, a.constantInt(1));
  for (Value part : {half, a.subInt(power, half)}) {
    Value exponent = a.addInt(part, a.constantInt(format.bias));
    y = a.mul(y, a.number(arith::ShLIOp::create(a.b, exponent, a.constantInt(format.mantissaBits))));
  }
  return y;
}

// log(x) = k · ln 2 + log(1 + f), sqrt(1/2) ≤ 1 + f < sqrt(2).
Value expandLog(Arithmetic &a, Value x, const Format &format) {
  Value tiny = a.compare(arith::CmpFPredicate::OLT, x, format.smallestNormal);
  Value scaled = a.mul(x, a.constant(double(int64_t(1) << format.mantissaBits)));
  Value bits = a.subInt(a.bits(a.select(tiny, scaled, x)), a.constantInt(format.sqrtHalfBits));
  Value k = arith::ShRSIOp::create(a.b, bits, a.constantInt(format.mantissaBits));
  k = a.addInt(k, a.select(tiny, a.constantInt(-format.mantissaBits), a.constantInt(0)));
  // k as a number: its bits in the low ones of roundingShift. AVX2 converts no vectors of i64.
  k = a.sub(a.number(a.addInt(k, a.constantInt(format.roundingBits))), a.constant(format.roundingShift));
  Value mantissa = arith::AndIOp::create(a.b, bits, a.constantInt((int64_t(1) << format.mantissaBits) - 1));
  Value f = a.sub(a.number(a.addInt(mantissa, a.constantInt(format.sqrtHalfBits))), a.constant(1.0));
  Value y;
  if (&format == &single) {
    Value z = a.mul(f, f);
    y = a.polynomial(f, {7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
                         -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1});
    y = a.mul(a.mul(y, f), z);
    y = a.fma(k, a.constant(format.ln2Low), y);
    y = a.fma(z, a.constant(-0.5), y);
    y = a.fma(k, a.constant(format.ln2High), a.add(f, y));
  } else {
    Value halfSquare = a.mul(a.constant(0.5), a.mul(f, f));
    Value s = a.div(f, a.add(a.constant(2.0), f)), z = a.mul(s, s), w = a.mul(z, z);
    Value odd =
        a.mul(w, a.polynomial(w, {1.531383769920937332e-01, 2.222219843214978396e-01, 3.999999999940941908e-01}));
    Value even = a.mul(z, a.polynomial(w, {1.479819860511658591e-01, 1.818357216161805012e-01, 2.857142874366239149e-01,
                                           6.666666666666735130e-01}));
    y = a.fma(s, a.add(halfSquare, a.add(even, odd)), a.mul(k, a.constant(format.ln2Low)));
    y = a.add(a.sub(y, halfSquare), f);
    y = a.fma(k, a.constant(format.ln2High), y);
  }
  const double infinity = std::numeric_limits<double>::infinity();
  y = a.select(a.compare(arith::CmpFPredicate::OEQ, x, infinity), x, y);
  y = a.select(a.compare(arith::CmpFPredicate::OEQ, x, 0.0), a.constant(-infinity), y);
  Value invalid = a.compare(arith::CmpFPredicate::ULT, x, 0.0);
  return a.select(invalid, a.constant(std::numeric_limits<double>::quiet_NaN()), y);
}

Value expandRsqrt(Arithmetic &a, Value x) {
  Value one = a.constant(1.0);
  return a.div(one, math::SqrtOp::create(a.b, x));
}

void expandPhilox(PhiloxOp op) {
  ImplicitLocOpBuilder b(op.getLoc(), op);
  Type type = op.getType(0);
  auto word = [&](uint32_t value) { return b.getIntegerAttr(b.getI32Type(), llvm::APInt(32, value)); };
  auto spread = [&](Value scalar) -> Value {
    return isa<VectorType>(type) ? vector::BroadcastOp::create(b, type, scalar).getResult() : scalar;
  };
  auto constant = [&](uint32_t value) { return spread(arith::ConstantOp::create(b, word(value))); };
  Value c[4] = {op.getCounter0(), op.getCounter1(), op.getCounter2(), op.getCounter3()};
  Value multipliers[2] = {constant(0xD2511F53u), constant(0xCD9E8D57u)};
  for (uint32_t round = 0; round < 10; ++round) {
    auto key = [&](Value start, uint32_t step) {
      return spread(arith::AddIOp::create(b, start, arith::ConstantOp::create(b, word(round * step))));
    };
    auto p0 = arith::MulUIExtendedOp::create(b, c[0], multipliers[0]);
    auto p1 = arith::MulUIExtendedOp::create(b, c[2], multipliers[1]);
    auto mix = [&](Value high, Value counter, Value k) -> Value {
      return arith::XOrIOp::create(b, arith::XOrIOp::create(b, high, counter), k);
    };
    Value next0 = mix(p1.getHigh(), c[1], key(op.getKey0(), 0x9E3779B9u));
    Value next2 = mix(p0.getHigh(), c[3], key(op.getKey1(), 0xBB67AE85u));
    c[0] = next0, c[1] = p1.getLow(), c[2] = next2, c[3] = p0.getLow();
  }
  op.replaceAllUsesWith(ValueRange(c));
  op.erase();
}

struct KernelLowerMathPass : ft::kernel::impl::KernelLowerMathBase<KernelLowerMathPass> {
  void runOnOperation() override {
    SmallVector<Operation *> operations;
    getOperation().walk([&](Operation *op) { operations.push_back(op); });
    for (Operation *op : operations)
      if (failed(lower(op)))
        return signalPassFailure();
  }

  LogicalResult lower(Operation *op) {
    if (auto philox = dyn_cast<PhiloxOp>(op)) {
      expandPhilox(philox);
      return success();
    }
    if (!isa_and_nonnull<math::MathDialect>(op->getDialect()) ||
        isa<math::AbsFOp, math::AbsIOp, math::CeilOp, math::CopySignOp, math::FloorOp, math::FmaOp, math::RoundEvenOp,
            math::SqrtOp, math::TruncOp>(op))
      return success();
    if (!isa<math::ExpOp, math::LogOp, math::RsqrtOp>(op))
      return op->emitOpError("has no expansion; kernels take math.absf, absi, ceil, copysign, exp, floor, fma, log, "
                             "roundeven, rsqrt, sqrt and trunc");
    Type type = op->getResult(0).getType(), element = getElementTypeOrSelf(type);
    if (!element.isF32() && !element.isF64())
      return op->emitOpError("computes in ") << element << "; extend to f32 first";
    const Format &format = element.isF32() ? single : twice;
    Arithmetic a(op, type);
    Value x = op->getOperand(0), y;
    if (isa<math::ExpOp>(op))
      y = expandExp(a, x, format);
    else if (isa<math::LogOp>(op))
      y = expandLog(a, x, format);
    else
      y = expandRsqrt(a, x);
    op->getResult(0).replaceAllUsesWith(y);
    op->erase();
    return success();
  }
};
} // namespace
