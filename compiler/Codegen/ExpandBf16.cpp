// kernel-expand-bf16: memory, vectors and scalars of bf16 become i16, and conversions integer arithmetic: extension is
// a shift, rounding is to nearest even with NaN kept quiet. LLVM's own way on x86 without AVX512-BF16 is a call per
// element. With `native` (GPU, sm_80 and later) rounding is left to the target. Arithmetic in bf16 itself is refused.
#include "compiler/Codegen/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace ft::kernel {
#define GEN_PASS_DEF_KERNELEXPANDBF16
#include "compiler/Codegen/Codegen.h.inc"
} // namespace ft::kernel

using namespace mlir;

namespace {

bool isBf16(Type type) { return getElementTypeOrSelf(type).isBF16(); }

Type withElement(Type type, Type element) {
  if (auto memref = dyn_cast<MemRefType>(type))
    return MemRefType::Builder(memref).setElementType(element);
  if (auto vector = dyn_cast<VectorType>(type))
    return vector.clone(element);
  return element;
}

Type asBits(Type type) { return isBf16(type) ? withElement(type, IntegerType::get(type.getContext(), 16)) : type; }

class Expander {
public:
  Expander(Operation *op) : b(op->getLoc(), op) {}

  Value constant(Type like, int64_t value) {
    TypedAttr attr = b.getI32IntegerAttr(value);
    if (auto shaped = dyn_cast<ShapedType>(like))
      attr = DenseElementsAttr::get(shaped, Attribute(attr));
    return arith::ConstantOp::create(b, attr);
  }
  /// `bits` of bf16 (already i16) as f32. With `native` two at a time in the word that holds them, which is an
  /// operation each: a GPU has no registers of 16 bits to take them apart into.
  Value extend(Value bits, bool native) {
    auto type = dyn_cast<VectorType>(bits.getType());
    if (native && type && type.getRank() == 1 && type.getDimSize(0) % 2 == 0)
      return extendPairs(bits, type.getDimSize(0) / 2);
    Type i32 = withElement(bits.getType(), b.getI32Type());
    Value wide = arith::ShLIOp::create(b, arith::ExtUIOp::create(b, i32, bits), constant(i32, 16));
    return arith::BitcastOp::create(b, withElement(bits.getType(), b.getF32Type()), wide);
  }
  Value extendPairs(Value bits, int64_t pairs) {
    auto words = VectorType::get({pairs}, b.getI32Type());
    Value both = vector::BitCastOp::create(b, words, bits);
    Value low = arith::ShLIOp::create(b, both, constant(words, 16));
    Value high = arith::AndIOp::create(b, both, constant(words, -0x10000));
    SmallVector<int64_t> turns;
    for (int64_t i = 0; i < pairs; ++i)
      turns.append({i, pairs + i});
    Value wide = vector::ShuffleOp::create(b, low, high, turns);
    return arith::BitcastOp::create(b, VectorType::get({2 * pairs}, b.getF32Type()), wide);
  }
  /// f32 → bits of bf16.
  Value round(Value x, bool native) {
    Type i16 = withElement(x.getType(), b.getI16Type()), i32 = withElement(x.getType(), b.getI32Type());
    if (native)
      return arith::BitcastOp::create(b, i16, arith::TruncFOp::create(b, withElement(x.getType(), b.getBF16Type()), x));
    Value bits = arith::BitcastOp::create(b, i32, x);
    Value odd = arith::AndIOp::create(b, arith::ShRUIOp::create(b, bits, constant(i32, 16)), constant(i32, 1));
    Value rounded = arith::AddIOp::create(b, arith::AddIOp::create(b, bits, constant(i32, 0x7fff)), odd);
    Value nan = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, x, x);
    rounded = arith::SelectOp::create(b, nan, constant(i32, 0x7fc00000), rounded);
    return arith::TruncIOp::create(b, i16, arith::ShRUIOp::create(b, rounded, constant(i32, 16)));
  }

  ImplicitLocOpBuilder b;
};

struct KernelExpandBf16Pass : ft::kernel::impl::KernelExpandBf16Base<KernelExpandBf16Pass> {
  using KernelExpandBf16Base::KernelExpandBf16Base;

  void runOnOperation() override {
    SmallVector<Operation *> operations;
    getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) { operations.push_back(op); });
    // Definitions come before uses, so an operand's type has changed when its user is looked at.
    for (Operation *op : operations) {
      for (Region &region : op->getRegions())
        for (Block &block : region)
          for (BlockArgument argument : block.getArguments())
            argument.setType(asBits(argument.getType()));
      if (failed(expand(op)))
        return signalPassFailure();
    }
  }

  LogicalResult expand(Operation *op) {
    if (auto function = dyn_cast<func::FuncOp>(op)) {
      FunctionType type = function.getFunctionType();
      SmallVector<Type> inputs = llvm::map_to_vector(type.getInputs(), asBits);
      function.setFunctionType(FunctionType::get(&getContext(), inputs, type.getResults()));
      return success();
    }
    if (auto extension = dyn_cast<arith::ExtFOp>(op)) {
      if (!getElementTypeOrSelf(extension.getIn().getType()).isInteger(16)) // was bf16
        return success();
      Expander expander(op);
      Value x = expander.extend(extension.getIn(), native);
      if (!getElementTypeOrSelf(op->getResult(0).getType()).isF32())
        x = arith::ExtFOp::create(expander.b, op->getResult(0).getType(), x);
      return replace(op, x);
    }
    if (llvm::none_of(op->getResultTypes(), isBf16))
      return isa<arith::CmpFOp, arith::BitcastOp>(op) && usesBits(op) ? lowerUse(op) : success();
    if (auto truncation = dyn_cast<arith::TruncFOp>(op)) {
      if (!getElementTypeOrSelf(truncation.getIn().getType()).isF32())
        return op->emitOpError("rounds to bf16 from ")
               << getElementTypeOrSelf(truncation.getIn().getType()) << "; round to f32 first, explicitly";
      return replace(op, Expander(op).round(truncation.getIn(), native));
    }
    if (isa<arith::BitcastOp>(op))
      return replace(op, op->getOperand(0));
    if (auto constant = dyn_cast<arith::ConstantOp>(op))
      return setConstant(constant);
    if (!isa<arith::SelectOp, memref::LoadOp, scf::ForOp, scf::IfOp, vector::BroadcastOp, vector::ExtractOp,
             vector::LoadOp, vector::MaskedLoadOp, vector::ShuffleOp>(op))
      return op->emitOpError("computes in bf16; extend to f32 first");
    for (Value result : op->getResults())
      result.setType(asBits(result.getType()));
    return success();
  }

  /// True if an operand that the operation needs as a float is held as bits by now.
  static bool usesBits(Operation *op) {
    return llvm::any_of(op->getOperandTypes(), [](Type t) { return getElementTypeOrSelf(t).isInteger(16); });
  }

  LogicalResult lowerUse(Operation *op) {
    if (isa<arith::BitcastOp>(op) && op->getOperand(0).getType() == op->getResult(0).getType())
      return replace(op, op->getOperand(0));
    return op->emitOpError("computes in bf16; extend to f32 first");
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
