// Elementwise arithmetic that exp and log are expanded into, the same operations on every target.
#pragma once

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/TypeUtilities.h"

#include <utility>

namespace ft::kernel {

/// Writes elementwise arithmetic on one float type, scalar or vector, and on the integers of its width.
class Arithmetic {
public:
  Arithmetic(mlir::Operation *op, mlir::Type type, bool onGpu) : b(op->getLoc(), op), real(type), onGpu(onGpu) {
    unsigned width = mlir::getElementTypeOrSelf(type).getIntOrFloatBitWidth();
    integer = b.getIntegerType(width);
    if (auto shaped = mlir::dyn_cast<mlir::ShapedType>(type))
      integer = shaped.clone(integer);
  }
  mlir::Value constant(double value) { return splat(real, b.getFloatAttr(mlir::getElementTypeOrSelf(real), value)); }
  mlir::Value constantInt(int64_t value) {
    return splat(integer, b.getIntegerAttr(mlir::getElementTypeOrSelf(integer), value));
  }
  mlir::Value add(mlir::Value x, mlir::Value y) { return mlir::arith::AddFOp::create(b, x, y); }
  mlir::Value sub(mlir::Value x, mlir::Value y) { return mlir::arith::SubFOp::create(b, x, y); }
  mlir::Value mul(mlir::Value x, mlir::Value y) { return mlir::arith::MulFOp::create(b, x, y); }
  mlir::Value div(mlir::Value x, mlir::Value y) { return mlir::arith::DivFOp::create(b, x, y); }
  mlir::Value negate(mlir::Value x) { return mlir::arith::NegFOp::create(b, x); }
  mlir::Value fma(mlir::Value x, mlir::Value y, mlir::Value z) { return mlir::math::FmaOp::create(b, x, y, z); }
  mlir::Value addInt(mlir::Value x, mlir::Value y) { return mlir::arith::AddIOp::create(b, x, y); }
  mlir::Value subInt(mlir::Value x, mlir::Value y) { return mlir::arith::SubIOp::create(b, x, y); }
  mlir::Value compare(mlir::arith::CmpFPredicate predicate, mlir::Value x, double y) {
    return mlir::arith::CmpFOp::create(b, predicate, x, constant(y));
  }
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y) {
    return mlir::arith::SelectOp::create(b, condition, x, y);
  }
  mlir::Value bits(mlir::Value x) { return mlir::arith::BitcastOp::create(b, integer, x); }
  mlir::Value number(mlir::Value x) { return mlir::arith::BitcastOp::create(b, real, x); }
  /// Horner's rule, highest coefficient first.
  mlir::Value polynomial(mlir::Value x, llvm::ArrayRef<double> coefficients) {
    mlir::Value sum = constant(coefficients.front());
    for (double c : coefficients.drop_front())
      sum = fma(sum, x, constant(c));
    return sum;
  }

  mlir::ImplicitLocOpBuilder b;
  mlir::Type real, integer;
  const bool onGpu; ///< which instructions are the shortest

private:
  mlir::Value splat(mlir::Type type, mlir::TypedAttr value) {
    if (auto shaped = mlir::dyn_cast<mlir::ShapedType>(type))
      value = mlir::DenseElementsAttr::get(shaped, mlir::Attribute(value));
    return mlir::arith::ConstantOp::create(b, value);
  }
};

/// What differs between f32 and f64 in exp and log.
struct Format {
  int64_t mantissaBits, bias;
  double roundingShift;   ///< 1.5 · 2^mantissaBits: adding it rounds to an integer, whose bits are the low ones
  int64_t roundingBits;   ///< of roundingShift
  double ln2High, ln2Low; ///< their sum is ln 2; High has trailing zeros, so that n · High is exact
  double expLow, expHigh; ///< below and above, exp is 0 and infinite
  double expNothing;      ///< below, exp is less than half of what can be added to 1
  int64_t sqrtHalfBits;
  double smallestNormal;
};
inline constexpr Format single{23,   127, 12582912.0, 0x4B400000, 0.693359375,   -2.12194440e-4,
                               -105, 89,  -30,        0x3f3504f3, 1.17549435e-38};
inline constexpr Format twice{
    52,  1023, 6755399441055744.0, 0x4338000000000000,     6.93147180369123816490e-01, 1.90821492927058770002e-10, -746,
    710, -50,  0x3fe6a09e667f3bcd, 2.2250738585072014e-308};

/// exp(x).
mlir::Value expandExp(Arithmetic &a, mlir::Value x, const Format &format);
/// exp(x) of numbers that are not above 0, in the same bits.
mlir::Value expandExpOfNonPositive(Arithmetic &a, mlir::Value x, const Format &format);
/// 1 + exp(x), or with `negated` 1 + exp(−x), in the bits of the exponential and the sum.
mlir::Value expandExpPlusOne(Arithmetic &a, mlir::Value x, const Format &format, bool negated);
/// 1 / x of a vector of f32, each at least 1 or NaN, rounded as IEEE says, for a GPU.
mlir::Value reciprocalOnGpu(Arithmetic &a, mlir::Value x);
/// x / y of vectors of f32, rounded as IEEE says, for a GPU (GpuQuotients.cpp).
mlir::Value quotientOnGpu(Arithmetic &a, mlir::Value x, mlir::Value y);
/// The root of a vector of f32, rounded as IEEE says, for a GPU.
mlir::Value rootOnGpu(Arithmetic &a, mlir::Value x);

} // namespace ft::kernel
