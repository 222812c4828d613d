// One table, one walk. Values follow their op: products (linear, attention, swiglu, norms' outputs) are of the work
// type, embedding and residual sums of the residual type, statistics f32 or f64. ft ops convert inside, so that no
// cast is needed at a border of the forward part; GEMM operands alone must be of the work type, which is what working
// copies are for. Which value is which, the ops say (PrecisionPolicies.cpp).
#include "compiler/Model/ApplyPrecision.h"

#include "compiler/Model/PrecisionTable.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

/// Logits leave as f32: the GEMM writes them so, except from f64.
static void retypeWrite(WriteOp write, RankedTensorType wanted) {
  Value value = write.getValue();
  auto type = cast<RankedTensorType>(value.getType());
  if (type == wanted)
    return;
  if (value.getDefiningOp<LinearOp>() && value.hasOneUse() && type.getElementTypeBitWidth() == 16) {
    value.setType(wanted);
    return;
  }
  OpBuilder builder(write);
  write.getValueMutable().assign(CastOp::create(builder, write.getLoc(), wanted, value));
}

static LogicalResult retype(Operation *op, const SymbolTable &symbols, PrecisionTable &table) {
  auto typeOf = [&](StringRef name) { return symbols.lookup<VariableOp>(name).getTensorType(); };
  if (auto read = dyn_cast<ReadOp>(op)) {
    auto type = cast<RankedTensorType>(read.getType()); // may have fewer rows than the variable
    read.getValue().setType(type.clone(typeOf(read.getVariable()).getElementType()));
  } else if (auto write = dyn_cast<WriteOp>(op)) {
    retypeWrite(write, typeOf(write.getVariable()));
  } else if (auto policy = dyn_cast<PrecisionPolicy>(op)) {
    policy.applyPrecision(table);
  } else {
    return op->emitOpError("has no place in the table of precision modes, which is applied before differentiation");
  }
  return success();
}

LogicalResult ft::applyPrecision(ModuleOp module, Precision precision, bool accumulates, bool copyAdapters,
                                 bool bf16Gradients) {
  PrecisionTable table(module, precision, accumulates, copyAdapters, bf16Gradients);
  for (auto variable : module.getOps<VariableOp>())
    table.store(variable);
  SymbolTable symbols(module);
  for (auto function : module.getOps<func::FuncOp>())
    for (Operation &op : llvm::make_early_inc_range(function.getBody().front().without_terminator()))
      if (failed(retype(&op, symbols, table)))
        return failure();
  return success();
}
