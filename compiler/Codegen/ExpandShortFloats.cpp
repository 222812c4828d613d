// kernel-expand-short-floats: memory, vectors and scalars of bf16 and f16 become i16, and each conversion is written
// out. Arithmetic in them is refused. Left to LLVM, processors without such arithmetic get calls of a library, which
// kernels may not make.
//   bf16  Extension is a shift; rounding is integer arithmetic, to nearest even with NaN kept quiet. LLVM's own way on
//         x86 without AVX512-BF16 is a call per element. With `native` (GPU, sm_80 and later) the target rounds.
//   f16   The target converts, in one instruction (F16C on x86). Between conversion and arithmetic stands a fence: LLVM
//         would make the maximum of two extended numbers that of the short ones, for which x86 calls fmaxf. With
//         `native` there is none: GPUs compute in f16, and what LLVM computes there has the same bits.
#include "compiler/Codegen/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/TypeUtilities.h"

namespace ft::kernel {
#define GEN_PASS_DEF_KERNELEXPANDSHORTFLOATS
#include "compiler/Codegen/Codegen.h.inc"
} // namespace ft::kernel

using namespace mlir;

namespace {

/// bf16 or f16, where `type` is one or consists of them; else null.
FloatType shortFloat(Type type) {
  Type element = getElementTypeOrSelf(type);
  return isa<BFloat16Type, Float16Type>(element) ? cast<FloatType>(element) : FloatType();
}

FloatType shortFloat(TypeRange types) {
  for (Type type : types)
    if (FloatType found = shortFloat(type))
      return found;
  return {};
}

Type withElement(Type type, Type element) {
  if (auto memref = dyn_cast<MemRefType>(type))
    return MemRefType::Builder(memref).setElementType(element);
  if (auto vector = dyn_cast<VectorType>(type))
    return vector.clone(element);
  return element;
}

Type asBits(Type type) { return shortFloat(type) ? withElement(type, IntegerType::get(type.getContext(), 16)) : type; }

/// Writes the conversions in front of an operation; bits are i16, scalars or vectors.
class Conversions {
public:
  Conversions(Operation *op, bool native) : b(op->getLoc(), op), native(native) {}

  /// `bits` of `type` as f32.
  Value extend(Value bits, FloatType type) {
    Type f32 = withElement(bits.getType(), b.getF32Type()), i32 = withElement(bits.getType(), b.getI32Type());
    if (type.isF16())
      return fence(arith::ExtFOp::create(b, f32, bitcast(bits, type)));
    if (auto vector = dyn_cast<VectorType>(bits.getType()); native && vector && vector.getNumElements() % 2 == 0)
      return extendPairs(bits, vector.getNumElements() / 2);
    Value wide = arith::ShLIOp::create(b, arith::ExtUIOp::create(b, i32, bits), constant(i32, 16));
    return arith::BitcastOp::create(b, f32, wide);
  }
  /// Of bf16, two at a time in the word that holds them, an operation each: a GPU has no registers of 16 bits to take
  /// them apart into.
  Value extendPairs(Value bits, int64_t pairs) {
    auto words = VectorType::get({pairs}, b.getI32Type());
    Value both = vector::BitCastOp::create(b, words, bits);
    Value low = arith::ShLIOp::create(b, both, constant(words, 16));
    Value high = arith::AndIOp::create(b, both, constant(words, -0x10000));
    SmallVector<int64_t> turns;
    for (int64_t i = 0; i < pairs; ++i)
      turns.append({i, pairs + i});
    return arith::BitcastOp::create(b, withElement(bits.getType(), b.getF32Type()),
                                    vector::ShuffleOp::create(b, low, high, turns));
  }
  /// f32 → bits of `type`.
  Value round(Value x, FloatType type) {
    if (native || type.isF16())
      return bitcast(arith::TruncFOp::create(b, withElement(x.getType(), type), fence(x)), b.getI16Type());
    Type i32 = withElement(x.getType(), b.getI32Type());
    Value bits = arith::BitcastOp::create(b, i32, x);
    Value odd = arith::AndIOp::create(b, arith::ShRUIOp::create(b, bits, constant(i32, 16)), constant(i32, 1));
    Value rounded = arith::AddIOp::create(b, arith::AddIOp::create(b, bits, constant(i32, 0x7fff)), odd);
    Value nan = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, x, x);
    rounded = arith::SelectOp::create(b, nan, constant(i32, 0x7fc00000), rounded);
    return arith::TruncIOp::create(b, withElement(x.getType(), b.getI16Type()),
                                   arith::ShRUIOp::create(b, rounded, constant(i32, 16)));
  }

  ImplicitLocOpBuilder b;

private:
  Value constant(Type like, int64_t value) {
    TypedAttr attr = b.getI32IntegerAttr(value);
    if (auto shaped = dyn_cast<ShapedType>(like))
      attr = DenseElementsAttr::get(shaped, Attribute(attr));
    return arith::ConstantOp::create(b, attr);
  }
  Value bitcast(Value value, Type element) {
    return arith::BitcastOp::create(b, withElement(value.getType(), element), value);
  }
  /// `x`, of which LLVM does not see what it is.
  Value fence(Value x) {
    if (native)
      return x;
    return LLVM::CallIntrinsicOp::create(b, x.getType(), b.getStringAttr("llvm.arithmetic.fence"), ValueRange(x))
        ->getResult(0);
  }

  bool native;
};

struct KernelExpandShortFloatsPass : ft::kernel::impl::KernelExpandShortFloatsBase<KernelExpandShortFloatsPass> {
  using KernelExpandShortFloatsBase::KernelExpandShortFloatsBase;

  void runOnOperation() override {
    // What an operation reads, before what it reads is bits.
    SmallVector<std::pair<Operation *, FloatType>> operations;
    getOperation().walk<WalkOrder::PreOrder>(
        [&](Operation *op) { operations.emplace_back(op, shortFloat(op->getOperandTypes())); });
    for (auto [op, read] : operations) {
      for (Region &region : op->getRegions())
        for (Block &block : region)
          for (BlockArgument argument : block.getArguments())
            argument.setType(asBits(argument.getType()));
      if (failed(expand(op, read)))
        return signalPassFailure();
    }
  }

  LogicalResult expand(Operation *op, FloatType read) {
    if (auto function = dyn_cast<func::FuncOp>(op)) {
      FunctionType type = function.getFunctionType();
      SmallVector<Type> inputs = llvm::map_to_vector(type.getInputs(), asBits);
      function.setFunctionType(FunctionType::get(&getContext(), inputs, type.getResults()));
      return success();
    }
    const FloatType made = shortFloat(op->getResultTypes());
    if (auto extension = dyn_cast<arith::ExtFOp>(op); extension && read && !made)
      return extend(extension, read);
    if (auto truncation = dyn_cast<arith::TruncFOp>(op); truncation && made && !read)
      return round(truncation, made);
    if (isa<arith::BitcastOp>(op) && (read || made))
      return replace(op, op->getOperand(0));
    if (auto constant = dyn_cast<arith::ConstantOp>(op); constant && made)
      return setConstant(constant);
    if (computes(op, read, made))
      return op->emitOpError("computes in ") << (made ? made : read) << "; extend to f32 first";
    for (Value result : op->getResults())
      result.setType(asBits(result.getType()));
    return success();
  }

  /// False for what only moves bits.
  static bool computes(Operation *op, FloatType read, FloatType made) {
    if (isa<arith::SelectOp, memref::LoadOp, scf::ForOp, scf::IfOp, vector::BroadcastOp, vector::ExtractOp,
            vector::LoadOp, vector::MaskedLoadOp, vector::ShuffleOp>(op))
      return false;
    return made || (read && isa<arith::ArithDialect, math::MathDialect>(op->getDialect()));
  }

  LogicalResult extend(arith::ExtFOp op, FloatType from) {
    Conversions conversions(op, native);
    Value x = conversions.extend(op.getIn(), from);
    if (!getElementTypeOrSelf(op.getType()).isF32())
      x = arith::ExtFOp::create(conversions.b, op.getType(), x);
    return replace(op, x);
  }

  LogicalResult round(arith::TruncFOp op, FloatType to) {
    Type from = getElementTypeOrSelf(op.getIn().getType());
    if (!from.isF32())
      return op.emitOpError("rounds to ") << to << " from " << from << "; round to f32 first, explicitly";
    return replace(op, Conversions(op, native).round(op.getIn(), to));
  }

  static LogicalResult setConstant(arith::ConstantOp constant) {
    Type type = asBits(constant.getType()), i16 = getElementTypeOrSelf(type);
    auto bits = [&](const llvm::APFloat &value) { return IntegerAttr::get(i16, value.bitcastToAPInt()); };
    TypedAttr value;
    if (auto scalar = dyn_cast<FloatAttr>(constant.getValue()))
      value = bits(scalar.getValue());
    else
      value = DenseElementsAttr::get(
          cast<ShapedType>(type),
          Attribute(bits(cast<SplatElementsAttr>(constant.getValue()).getSplatValue<llvm::APFloat>())));
    constant.setValueAttr(value);
    constant.getResult().setType(type);
    return success();
  }

  static LogicalResult replace(Operation *op, Value value) {
    op->getResult(0).replaceAllUsesWith(value);
    op->erase();
    return success();
  }
};
} // namespace
