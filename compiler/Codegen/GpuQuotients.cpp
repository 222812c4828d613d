// Reciprocals, quotients and roots of vectors on a GPU, in the bits that IEEE has. Left to itself ptxas asks at each
// element whether the result is an ordinary one, and each branch ends what can be in flight; a vector asks once. The
// steps are those of ptxas' own expansions.
#include "compiler/Codegen/Arithmetic.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/STLFunctionalExtras.h"

#include <cmath>

using namespace mlir;
using namespace ft::kernel;

namespace {

SmallVector<Value> lanesOf(OpBuilder &b, Location loc, Value row) {
  SmallVector<Value> lanes;
  for (int64_t lane = 0; lane < cast<VectorType>(row.getType()).getDimSize(0); ++lane)
    lanes.push_back(vector::ExtractOp::create(b, loc, row, lane));
  return lanes;
}

/// True where all lanes of `flags`, or the scalar that they are, are.
Value all(ImplicitLocOpBuilder &b, Value flags) {
  if (!isa<VectorType>(flags.getType()))
    return flags;
  Value every;
  for (Value flag : lanesOf(b, b.getLoc(), flags))
    every = every ? arith::AndIOp::create(b, every, flag) : flag;
  return every;
}

/// The scalar that all lanes of a row are, where it is seen to be one.
Value scalarOf(Value row) {
  auto broadcast = row.getDefiningOp<vector::BroadcastOp>();
  return broadcast && !isa<VectorType>(broadcast.getSourceType()) ? broadcast.getSource() : Value();
}

/// 1 / y but for the last bit, or NaN; y f32, a scalar or a vector, below 2^126.
Value nearReciprocal(Arithmetic &a, Value y) {
  const Type f32 = a.b.getF32Type();
  auto type = dyn_cast<VectorType>(y.getType());
  SmallVector<Value> lanes = type ? lanesOf(a.b, a.b.getLoc(), y) : SmallVector<Value>{y};
  for (Value &lane : lanes)
    lane = NVVM::RcpApproxFtzF32Op::create(a.b, f32, lane);
  return type ? vector::FromElementsOp::create(a.b, type, lanes).getResult() : lanes.front();
}

/// Newton's step: near + near · (1 − y · near).
Value refined(Arithmetic &a, Value near, Value y) {
  Value one = arith::ConstantOp::create(a.b, a.b.getF32FloatAttr(1));
  if (auto type = dyn_cast<VectorType>(y.getType()))
    one = a.constant(1.0);
  return a.fma(near, a.fma(a.negate(y), near, one), near);
}

/// Whether all bits of `x`, f32 or rows of them as i32, compare so with `bound`.
Value all(Arithmetic &a, arith::CmpIPredicate predicate, Value bits, uint32_t bound) {
  Value limit = arith::ConstantOp::create(a.b, a.b.getI32IntegerAttr(int32_t(bound)));
  if (isa<VectorType>(bits.getType()))
    limit = a.constantInt(int32_t(bound));
  return all(a.b, arith::CmpIOp::create(a.b, predicate, bits, limit));
}

/// What `fast` makes where all are `ordinary`, else what `slow` does; of `type` both.
Value either(Arithmetic &a, Type type, Value ordinary, llvm::function_ref<Value()> fast,
             llvm::function_ref<Value()> slow) {
  auto branch = scf::IfOp::create(a.b, type, ordinary, /*addThenBlock=*/true, /*addElseBlock=*/true);
  OpBuilder::InsertionGuard guard(a.b);
  a.b.setInsertionPointToEnd(branch.thenBlock());
  scf::YieldOp::create(a.b, fast());
  a.b.setInsertionPointToEnd(branch.elseBlock());
  scf::YieldOp::create(a.b, slow());
  return branch.getResult(0);
}

} // namespace

Value ft::kernel::reciprocalOnGpu(Arithmetic &a, Value x) {
  constexpr double largestOrdinary = 8.507059173023462e37;    // 2^126
  SmallVector<Value> largest = lanesOf(a.b, a.b.getLoc(), x); // a number of them that is a power of two
  for (size_t half = largest.size() / 2; half > 0; half /= 2)
    for (size_t lane = 0; lane < half; ++lane)
      largest[lane] = arith::MaxNumFOp::create(a.b, largest[lane], largest[lane + half]);
  Value bound = arith::ConstantOp::create(a.b, a.b.getFloatAttr(a.b.getF32Type(), largestOrdinary));
  Value ordinary = arith::CmpFOp::create(a.b, arith::CmpFPredicate::OLT, largest.front(), bound);
  return either(
      a, a.real, ordinary, [&] { return refined(a, nearReciprocal(a, x), x); },
      [&] { return a.div(a.constant(1.0), x); });
}

// Two corrections of x · (1 / y), each by what is exactly missing: y · q − x is a multiple of the last places of y and
// q, which is a number of f32 where |x| is at least 2^−100. Signs are such that −0 stays one. Ordinary are positive y
// below 2^24, and x that are 0 or at least 2^-100, with quotients below 2^100: none of these is below the normal
// numbers. Of a y below them, or NaN, the quotient that is compared is NaN.
Value ft::kernel::quotientOnGpu(Arithmetic &a, Value x, Value y) {
  const double mostQuotient = std::ldexp(1.0, 100);
  constexpr uint32_t divisorBits = (127 + 24) << 23, leastShifted = (127 - 100) << 24; // without the sign
  const Value scalar = scalarOf(y), divisor = scalar ? scalar : y;
  Value near = refined(a, nearReciprocal(a, divisor), divisor);
  if (scalar)
    near = vector::BroadcastOp::create(a.b, x.getType(), near);
  Value quotient = a.mul(x, near);
  for (int correction = 0; correction < 2; ++correction)
    quotient = a.fma(a.negate(a.fma(y, quotient, a.negate(x))), near, quotient);
  Value bits = scalar ? arith::BitcastOp::create(a.b, a.b.getI32Type(), scalar).getResult() : a.bits(y);
  Value isSmall = arith::CmpFOp::create(a.b, arith::CmpFPredicate::OLT, math::AbsFOp::create(a.b, quotient),
                                        a.constant(mostQuotient));
  Value ordinary = arith::AndIOp::create(a.b, all(a, arith::CmpIPredicate::ult, bits, divisorBits), all(a.b, isSmall));
  if (!x.getDefiningOp<math::SqrtOp>()) { // a root is 0 or at least 2^-75
    Value shifted = arith::ShLIOp::create(a.b, a.bits(x), a.constantInt(1));
    Value before = a.subInt(shifted, a.constantInt(1)); // of 0 the largest
    ordinary = arith::AndIOp::create(a.b, ordinary, all(a, arith::CmpIPredicate::uge, before, leastShifted - 1));
  }
  return either(
      a, x.getType(), ordinary, [&] { return quotient; }, [&] { return a.div(x, y); });
}

// One correction of x · (1 / root of x), of numbers from 2^-101 to the largest.
Value ft::kernel::rootOnGpu(Arithmetic &a, Value x) {
  constexpr uint32_t least = (127 - 101) << 23, largest = 0x7f7fffff;
  auto type = cast<VectorType>(a.real);
  SmallVector<Value> lanes = lanesOf(a.b, a.b.getLoc(), x);
  for (Value &lane : lanes)
    lane = LLVM::CallIntrinsicOp::create(a.b, a.b.getF32Type(), a.b.getStringAttr("llvm.nvvm.rsqrt.approx.ftz.f"),
                                         ValueRange(lane))
               ->getResult(0);
  Value near = vector::FromElementsOp::create(a.b, type, lanes);
  Value root = a.mul(x, near), half = a.mul(near, a.constant(0.5));
  root = a.fma(a.fma(a.negate(root), root, x), half, root);
  Value ordinary = all(a, arith::CmpIPredicate::ule, a.subInt(a.bits(x), a.constantInt(least)), largest - least);
  return either(
      a, type, ordinary, [&] { return root; }, [&] { return math::SqrtOp::create(a.b, x).getResult(); });
}
