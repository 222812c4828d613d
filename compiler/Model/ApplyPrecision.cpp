// One table, one walk. Values follow their op: products (linear, attention, swiglu, norms' outputs) are of the work
// type, embedding and residual sums of the residual type, statistics f32 or f64. ft ops convert inside, so that no
// cast is needed at a border of the forward part; GEMM operands alone must be of the work type, which is what working
// copies are for.
#include "compiler/Model/ApplyPrecision.h"

#include "compiler/Model/Variables.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

/// numerics.md's table: one column.
struct Types {
  Type frozen, trained, adapter; ///< parameters as stored
  Type work;                     ///< GEMM operands, norm outputs, q, k, v, attention, gate, up, product
  Type residual, statistic;
  Type gradient, headGradient, adapterGradient;
};

Types typesOf(Builder &builder, Precision precision, bool accumulates) {
  Type f64 = builder.getF64Type(), f32 = builder.getF32Type(), bf16 = builder.getBF16Type();
  switch (precision) {
  case Precision::Fp64True:
    return {f64, f64, f64, f64, f64, f64, f64, f64, f64};
  case Precision::Fp32True:
    return {f32, f32, f32, f32, f32, f32, f32, f32, f32};
  case Precision::Bf16True:
    return {bf16, bf16, f32, bf16, bf16, f32, accumulates ? f32 : bf16, f32, f32};
  case Precision::Bf16Mixed:
    return {bf16, f32, f32, bf16, f32, f32, f32, f32, f32};
  }
  llvm_unreachable("covered switch");
}

void setElement(Value value, Type element) { value.setType(cast<RankedTensorType>(value.getType()).clone(element)); }
Type elementOf(Value value) { return cast<RankedTensorType>(value.getType()).getElementType(); }

class Retyper {
public:
  Retyper(ModuleOp module, Precision precision, bool accumulates, bool copyAdapters)
      : module(module), symbols(module), builder(module.getContext()), types(typesOf(builder, precision, accumulates)),
        copyAdapters(copyAdapters) {}

  LogicalResult run() {
    retypeVariables();
    for (auto function : module.getOps<func::FuncOp>())
      for (Operation &op : llvm::make_early_inc_range(function.getBody().front().without_terminator()))
        if (failed(retype(&op)))
          return failure();
    return success();
  }

private:
  /// Tables that a head_loss reads: their gradient is f32 in every bf16 mode.
  llvm::DenseSet<Operation *> findHeads() {
    llvm::DenseSet<Operation *> heads;
    for (auto function : module.getOps<func::FuncOp>())
      for (auto op : function.getOps<HeadLossOp>())
        heads.insert(parameterOf(op.getWeight(), symbols));
    return heads;
  }

  void retypeVariables() {
    const llvm::DenseSet<Operation *> heads = findHeads();
    for (auto variable : module.getOps<VariableOp>()) {
      switch (variable.getRole()) {
      case Role::Frozen:
        setType(variable, types.frozen);
        break;
      case Role::Trainable:
        setType(variable, types.trained);
        variable.setGradientType(heads.contains(variable) ? types.headGradient : types.gradient);
        break;
      case Role::Adapter:
        setType(variable, types.adapter);
        variable.setGradientType(types.adapterGradient);
        break;
      case Role::ConstantTable:
        setType(variable, types.statistic);
        break;
      default:
        break; // inputs, outputs and keys have the types that the plan's format gives them
      }
    }
  }

  void setType(VariableOp variable, Type element) { variable.setType(variable.getTensorType().clone(element)); }

  LogicalResult retype(Operation *op) {
    return TypeSwitch<Operation *, LogicalResult>(op)
        .Case([&](ReadOp read) {
          setElement(read, symbols.lookup<VariableOp>(read.getVariable()).getTensorType().getElementType());
          return success();
        })
        .Case([&](WriteOp write) { return retypeWrite(write); })
        .Case([&](LinearOp linear) {
          copyOperands(linear.getWeightsMutable());
          copyOperands(linear.getLowRankWeightsMutable());
          for (Value result : linear.getResults())
            setElement(result, types.work);
          return success();
        })
        .Case([&](HeadLossOp head) {
          copyOperands(head.getWeightMutable());
          return success();
        })
        .Case([&](RmsNormOp norm) {
          setElement(norm.getY(), types.work);
          setElement(norm.getRstd(), types.statistic);
          return success();
        })
        .Case([&](AttentionOp attention) {
          setElement(attention.getO(), types.work);
          setElement(attention.getLse(), types.statistic);
          return success();
        })
        .Case<EmbeddingOp, AddOp>([&](auto sum) {
          setElement(sum.getResult(), types.residual);
          return success();
        })
        .Case<SwigluOp, RopeOp>([&](Operation *rowWise) {
          for (Value result : rowWise->getResults())
            setElement(result, types.work);
          return success();
        })
        .Case<DropoutOp, GatherRowOp>([&](auto same) {
          setElement(same.getResult(), elementOf(same.getX()));
          return success();
        })
        .Default([](Operation *other) {
          return other->emitOpError("has no place in the table of precision modes, which is applied before "
                                    "differentiation");
        });
  }

  /// Logits leave as f32: the GEMM writes them so, except from f64.
  LogicalResult retypeWrite(WriteOp write) {
    Type wanted = symbols.lookup<VariableOp>(write.getVariable()).getTensorType();
    Value value = write.getValue();
    if (value.getType() == wanted)
      return success();
    if (value.getDefiningOp<LinearOp>() && value.hasOneUse() && elementOf(value).isBF16()) {
      value.setType(cast<RankedTensorType>(wanted));
      return success();
    }
    builder.setInsertionPoint(write);
    write.getValueMutable().assign(CastOp::create(builder, write.getLoc(), wanted, value));
    return success();
  }

  template <typename Range> void copyOperands(Range &&operands) {
    for (OpOperand &operand : llvm::make_pointee_range(pointersTo(operands)))
      copyOperand(operand);
  }
  static SmallVector<OpOperand *> pointersTo(OpOperand &operand) { return {&operand}; }
  static SmallVector<OpOperand *> pointersTo(MutableOperandRange range) {
    SmallVector<OpOperand *> pointers;
    for (OpOperand &operand : range)
      pointers.push_back(&operand);
    return pointers;
  }

  /// A trained weight that is not stored in the work type, or an adapter to be copied: its copy is read in its place.
  void copyOperand(OpOperand &operand) {
    auto read = operand.get().getDefiningOp<ReadOp>();
    if (!read)
      return;
    auto parameter = symbols.lookup<VariableOp>(read.getVariable());
    const bool wanted = elementOf(read) != types.work || (copyAdapters && parameter.getRole() == Role::Adapter);
    if (!parameter.isTrained() || !wanted)
      return;
    VariableOp &copy = copies[parameter];
    if (!copy) {
      copy = declareDerived(parameter, Role::WorkingCopy, types.work);
      symbols.insert(copy);
    }
    operand.set(readWhole(read->getParentOfType<func::FuncOp>(), copy));
  }

  ModuleOp module;
  SymbolTable symbols;
  OpBuilder builder;
  Types types;
  bool copyAdapters;
  llvm::DenseMap<Operation *, VariableOp> copies;
};

} // namespace

LogicalResult ft::applyPrecision(ModuleOp module, Precision precision, bool accumulates, bool copyAdapters) {
  return Retyper(module, precision, accumulates, copyAdapters).run();
}
