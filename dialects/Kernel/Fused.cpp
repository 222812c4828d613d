// Verifiers of kernel.fused and of the operations that only occur inside it.
#include "dialects/Kernel/Kernel.h"

#include "llvm/ADT/SmallPtrSet.h"

using namespace mlir;
using namespace ft::kernel;

LogicalResult FusedOp::verify() {
  Block &block = getBody().front();
  if (block.getNumArguments() != getInputs().size())
    return emitOpError("(C1) has ") << getInputs().size() << " operands, its body " << block.getNumArguments()
                                    << " arguments";
  llvm::SmallPtrSet<Value, 8> seen;
  for (auto [number, input, argument] : llvm::enumerate(getInputs(), block.getArguments())) {
    if (input.getType() != argument.getType())
      return emitOpError("(C1) operand ")
             << number << " is " << input.getType() << ", the body's argument " << argument.getType();
    if (!seen.insert(input).second)
      return emitOpError("(C1) operand ") << number << " is given twice";
  }
  auto yield = dyn_cast<YieldOp>(block.back());
  if (!yield)
    return emitOpError("(C2) the body must end with kernel.yield");
  if (yield.getValues().getTypes() != getResultTypes())
    return emitOpError("(C2) yields ") << yield.getValues().getTypes() << ", its results are " << getResultTypes();
  seen.clear();
  for (auto [number, value] : llvm::enumerate(yield.getValues())) {
    if (!value.getDefiningOp())
      return emitOpError("(C2) result ") << number << " is an argument of the body; use the operand instead";
    if (!seen.insert(value).second)
      return emitOpError("(C2) result ") << number << " is yielded twice";
  }
  for (Operation &op : block.without_terminator())
    if (op.getNumRegions() != 0 || !isMemoryEffectFree(&op))
      return op.emitOpError("(C3) has regions or side effects and cannot be part of kernel.fused");
  return success();
}

static bool hasShape(Value value, ArrayRef<int64_t> shape) {
  return cast<RankedTensorType>(value.getType()).getShape() == shape;
}

static bool isStatisticType(Type type) { return type.isF32() || type.isF64(); }

LogicalResult ColumnPartialsOp::verify() {
  auto a = cast<RankedTensorType>(getA().getType()), partials = cast<RankedTensorType>(getPartials().getType());
  if (getB().size() > 1)
    return emitOpError("(C1) has ") << getB().size() << " factors b; must have one, with its scale, or none";
  if (!a.hasStaticShape() || a.getRank() != 2 || partials.getRank() != 2 || partials.getDimSize(1) < 1 ||
      a.getDimSize(1) % partials.getDimSize(1))
    return emitOpError("(C1) needs a of shape [T, D] and a result [P, G] with G a divisor of D, has ")
           << a << " and " << partials;
  const int64_t runs = a.getDimSize(1) / partials.getDimSize(1), rows = a.getDimSize(0) * runs;
  if (partials.getDimSize(0) < 1 || partials.getDimSize(0) > rows)
    return emitOpError("(C1) the result has ") << partials.getDimSize(0) << " rows; must be in [1, " << rows << "]";
  if (!isStatisticType(partials.getElementType()))
    return emitOpError("(C2) the result must be f32 or f64, is ") << partials.getElementType();
  if (getB().empty())
    return success();
  SmallVector<int64_t> scales{a.getDimSize(0)};
  if (runs > 1)
    scales.push_back(runs);
  if (!hasShape(getB()[0], a.getShape()) || !hasShape(getScale()[0], scales))
    return emitOpError("(C1) needs b of a's shape and one scale for each run of a row, has ")
           << a << ", " << getB()[0].getType() << " and " << getScale()[0].getType();
  Type scale = cast<RankedTensorType>(getScale()[0].getType()).getElementType();
  if (scale != partials.getElementType())
    return emitOpError("(C2) scale and result must both be f32 or both f64, are ")
           << scale << " and " << partials.getElementType();
  return success();
}

LogicalResult ColumnSumOp::verify() {
  auto partials = cast<RankedTensorType>(getPartials().getType());
  if (!partials.hasStaticShape() || partials.getRank() != 2 || !hasShape(getSum(), partials.getShape().drop_front()) ||
      (getAccumulate() && !hasShape(getAccumulate(), partials.getShape().drop_front())))
    return emitOpError("(C1) needs partials [P, D], a result [D] and accumulate [D], has ")
           << getOperandTypes() << " and " << getSum().getType();
  return success();
}
