// exp, and what is made of it: each form in the bits of its parts, whatever steps it saves.
#include "compiler/Codegen/Arithmetic.h"

#include <cmath>

using namespace mlir;
using namespace ft::kernel;

namespace {

/// exp(x) = 2^n · (fraction + 1), fraction in (−0.3, 0.42). n = round(x / ln 2) is in the low bits of `shifted`; those
/// of roundingShift above leave their word when n becomes an exponent.
struct Split {
  Value fraction, shifted;
};

/// Of exp(x), or with `negated` of exp(−x).
Split splitExp(Arithmetic &a, Value x, const Format &format, bool negated = false) {
  const double sign = negated ? -1 : 1;
  Value shifted = a.fma(x, a.constant(sign * 1.44269504088896340736), a.constant(format.roundingShift));
  Value n = a.sub(shifted, a.constant(format.roundingShift));
  Value r = a.fma(n, a.constant(-sign * format.ln2High), x);
  r = a.fma(n, a.constant(-sign * format.ln2Low), r);
  if (negated)
    r = a.negate(r);
  static const double cephes[] = {1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3,
                                  4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1};
  static const double taylor[] = {1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800,
                                  1.0 / 362880,     1.0 / 40320,     1.0 / 5040,     1.0 / 720,
                                  1.0 / 120,        1.0 / 24,        1.0 / 6,        0.5};
  Value p = a.polynomial(r, &format == &single ? ArrayRef<double>(cephes) : ArrayRef<double>(taylor));
  return {a.fma(p, a.mul(r, r), r), shifted};
}

/// 2^(n + more), n in the low bits of `bits`.
Value powerOfTwo(Arithmetic &a, Value bits, int64_t more, const Format &format) {
  Value exponent = a.addInt(bits, a.constantInt(format.bias + more));
  return a.number(arith::ShLIOp::create(a.b, exponent, a.constantInt(format.mantissaBits)));
}

/// max(x, low), or NaN: a GPU has an instruction for it, and comparisons are false for NaN.
Value notBelow(Arithmetic &a, Value x, double low, const Format &format) {
  if (a.onGpu && &format == &single)
    return arith::MaximumFOp::create(a.b, x, a.constant(low));
  return a.select(a.compare(arith::CmpFPredicate::OLT, x, low), a.constant(low), x);
}

/// min(max(x, low), high), or NaN.
Value clamp(Arithmetic &a, Value x, double low, double high, const Format &format) {
  if (a.onGpu && &format == &single)
    x = arith::MinimumFOp::create(a.b, x, a.constant(high));
  else
    x = a.select(a.compare(arith::CmpFPredicate::OGT, x, high), a.constant(high), x);
  return notBelow(a, x, low, format);
}

} // namespace

// The scale is applied in two parts: 2^n alone may leave the range where the result does not. The first leaves a normal
// number, so fraction · scale + scale is (fraction + 1) · scale in the same bits, and only the second can round again.
Value ft::kernel::expandExp(Arithmetic &a, Value x, const Format &format) {
  const Split split = splitExp(a, clamp(a, x, format.expLow, format.expHigh, format), format);
  Value power = a.bits(split.shifted);
  Value half = arith::ShRSIOp::create(a.b, power, a.constantInt(1));
  Value first = powerOfTwo(a, half, 0, format), second = powerOfTwo(a, a.subInt(power, half), 0, format);
  return a.mul(a.fma(split.fraction, first, first), second);
}

// Of a number that is not above 0: n is between expLow / ln 2 and 0, so the second part may be the same for all.
Value ft::kernel::expandExpOfNonPositive(Arithmetic &a, Value x, const Format &format) {
  const Split split = splitExp(a, notBelow(a, x, format.expLow, format), format);
  const int64_t shift = (format.bias + 1) / 2;
  Value first = powerOfTwo(a, a.bits(split.shifted), shift, format);
  return a.mul(a.fma(split.fraction, first, first), a.constant(std::ldexp(1.0, -shift)));
}

// 1 + exp(±x) in the bits of expandExp and the sum: below expNothing exp adds nothing to 1, and twice the half of a
// normal number is exact, or infinite as the number is.
Value ft::kernel::expandExpPlusOne(Arithmetic &a, Value x, const Format &format, bool negated) {
  const double low = negated ? -format.expHigh : format.expNothing,
               high = negated ? -format.expNothing : format.expHigh;
  const Split split = splitExp(a, clamp(a, x, low, high, format), format, negated);
  Value half = powerOfTwo(a, a.bits(split.shifted), -1, format);
  return a.fma(a.fma(split.fraction, half, half), a.constant(2.0), a.constant(1.0));
}
