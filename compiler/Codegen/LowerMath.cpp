// kernel-lower-math: exp, log, rsqrt and kernel.philox become arith and math.fma, the same operations on every target,
// so CPU and GPU agree and nothing calls a library.
//   exp    f32: Cephes expf (S. Moshier) with fma; within 1.1 ulp. f64: Taylor degree 13 on |r| ≤ ln2/2, error below
//          1e-16. 1 / (1 + exp(x)) as a whole, in the bits of its parts
//   log    f32: Cephes logf; within 1.1 ulp. f64: fdlibm's log, within 1 ulp
//   rsqrt  1 / sqrt, both rounded as IEEE says
//   On a GPU also quotients and roots of vectors of f32, in the bits that IEEE says (GpuQuotients.cpp)
// Gradual underflow, ±0, ±inf and NaN come out as C's functions give them; NaN payloads are not kept.
#include "compiler/Codegen/Arithmetic.h"
#include "compiler/Codegen/Passes.h"
#include "compiler/Codegen/RowPhases.h"
#include "dialects/Kernel/Kernel.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h" // of the pass's dialects
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h" // of the pass's dialects
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include <limits>

namespace ft::kernel {
#define GEN_PASS_DEF_KERNELLOWERMATH
#include "compiler/Codegen/Codegen.h.inc"
} // namespace ft::kernel

using namespace mlir;
using namespace ft::kernel;

namespace {

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
  // Low and high words.
  auto multiply = [&](Value counter, uint32_t factor) -> std::pair<Value, Value> {
    auto product = arith::MulUIExtendedOp::create(b, counter, constant(factor));
    return {product.getLow(), product.getHigh()};
  };
  Value c[4] = {op.getCounter0(), op.getCounter1(), op.getCounter2(), op.getCounter3()};
  for (uint32_t round = 0; round < 10; ++round) {
    auto key = [&](Value start, uint32_t step) {
      return spread(arith::AddIOp::create(b, start, arith::ConstantOp::create(b, word(round * step))));
    };
    const auto [low0, high0] = multiply(c[0], 0xD2511F53u);
    const auto [low1, high1] = multiply(c[2], 0xCD9E8D57u);
    auto mix = [&](Value high, Value counter, Value k) -> Value {
      return arith::XOrIOp::create(b, arith::XOrIOp::create(b, high, counter), k);
    };
    Value next0 = mix(high1, c[1], key(op.getKey0(), 0x9E3779B9u));
    Value next2 = mix(high0, c[3], key(op.getKey1(), 0xBB67AE85u));
    c[0] = next0, c[1] = low1, c[2] = next2, c[3] = low0;
  }
  op.replaceAllUsesWith(ValueRange(c));
  op.erase();
}

/// The exp of 1 / (1 + exp(x)), null if `op` is not that.
math::ExpOp expOfSigmoid(arith::DivFOp op) {
  auto sum = op.getRhs().getDefiningOp<arith::AddFOp>();
  if (!sum || !matchPattern(op.getLhs(), m_OneFloat()))
    return {};
  for (auto [one, other] : {std::pair(sum.getLhs(), sum.getRhs()), std::pair(sum.getRhs(), sum.getLhs())})
    if (auto exp = other.getDefiningOp<math::ExpOp>(); exp && matchPattern(one, m_OneFloat()))
      return exp;
  return {};
}

struct KernelLowerMathPass : ft::kernel::impl::KernelLowerMathBase<KernelLowerMathPass> {
  using KernelLowerMathBase::KernelLowerMathBase;

  void runOnOperation() override {
    SmallVector<arith::DivFOp> quotients;
    getOperation().walk([&](arith::DivFOp op) { quotients.push_back(op); });
    for (arith::DivFOp op : quotients)
      if (!lowerSigmoid(op) && isRowOnGpu(op))
        replace(op, [&](Arithmetic &a) { return quotientOnGpu(a, op.getLhs(), op.getRhs()); });
    SmallVector<Operation *> operations;
    getOperation().walk([&](Operation *op) { operations.push_back(op); });
    for (Operation *op : operations)
      if (failed(lower(op)))
        return signalPassFailure();
  }

  /// An operation on several f32 of a GPU's thread.
  bool isRowOnGpu(Operation *op) const {
    auto type = dyn_cast<VectorType>(op->getResult(0).getType());
    return target == "gpu" && type && type.getElementType().isF32() && type.getDimSize(0) > 1;
  }

  static void replace(Operation *op, llvm::function_ref<Value(Arithmetic &)> expand) {
    Arithmetic a(op, op->getResult(0).getType(), /*onGpu=*/true);
    op->getResult(0).replaceAllUsesWith(expand(a));
    op->erase();
  }

  /// False where `op` is none.
  bool lowerSigmoid(arith::DivFOp op) {
    math::ExpOp exp = expOfSigmoid(op);
    Type type = op.getType(), element = getElementTypeOrSelf(type);
    if (!exp || (!element.isF32() && !element.isF64()))
      return false;
    Arithmetic a(op, type, target == "gpu");
    auto negation = exp.getOperand().getDefiningOp<arith::NegFOp>();
    const Format &format = element.isF32() ? single : twice;
    Value x = negation ? negation.getOperand() : exp.getOperand();
    Value sum = expandExpPlusOne(a, x, format, bool(negation));
    const bool onGpu = a.onGpu && element.isF32() && isa<VectorType>(type);
    SmallVector<Operation *> parts{op.getRhs().getDefiningOp(), exp};
    if (negation)
      parts.push_back(negation);
    op.replaceAllUsesWith(onGpu ? reciprocalOnGpu(a, sum) : a.div(op.getLhs(), sum));
    op.erase();
    for (Operation *part : parts) // users come first
      if (isOpTriviallyDead(part))
        part->erase();
    return true;
  }

  LogicalResult lower(Operation *op) {
    if (auto philox = dyn_cast<PhiloxOp>(op)) {
      expandPhilox(philox);
      return success();
    }
    if (auto root = dyn_cast<math::SqrtOp>(op); root && isRowOnGpu(op)) {
      replace(op, [&](Arithmetic &a) { return rootOnGpu(a, root.getOperand()); });
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
    Arithmetic a(op, type, target == "gpu");
    Value x = op->getOperand(0), y;
    if (isa<math::ExpOp>(op))
      y = op->hasAttr(nonPositiveName) ? expandExpOfNonPositive(a, x, format) : expandExp(a, x, format);
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
