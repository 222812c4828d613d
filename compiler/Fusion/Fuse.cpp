// kernel-fuse: what runs together. Row-wise operations of one row space that feed each other or read the same rows
// become one kernel.fused (FusionGroups.cpp has the rules); an operation alone becomes one as well. The gradient of a
// norm's weight or of a bias is split into partial sums and their sum first, so that Planning sees the partials as a
// value, many of them in two steps.
// Products, attention, the head, updates, casts of whole parameters and scalar operations stay ft operations.
#include "compiler/Fusion/FusionGroups.h"
#include "compiler/Fusion/Passes.h"
#include "compiler/Fusion/RowEmitter.h"
#include "compiler/Fusion/RowSpace.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace ft {
#define GEN_PASS_DEF_FUSEPASS
#include "compiler/Fusion/Fusion.h.inc"
} // namespace ft

namespace {

/// Partials that an item of kernel.column_sum adds one behind the other, at the latency of memory each few. Of more,
/// each so many become one first, by items enough for a whole device.
constexpr int64_t fewPartials = 64, partialsToOne = 8;

/// The sum over the rows of `a`, or over their runs where `op`'s result has fewer columns.
void splitColumnSum(ft::model::Accumulating op, Value a, ValueRange b, ValueRange scale, int64_t partials) {
  OpBuilder builder(op);
  auto rows = cast<RankedTensorType>(a.getType()), result = cast<RankedTensorType>(op->getResult(0).getType());
  const int64_t terms = rows.getNumElements() / result.getNumElements();
  auto type = RankedTensorType::get({std::min(partials, terms), result.getDimSize(0)}, ft::getComputeType(op));
  auto parts = ft::kernel::ColumnPartialsOp::create(builder, op->getLoc(), type, a, b, scale);
  if (type.getDimSize(0) > fewPartials) {
    const int64_t fewer = llvm::divideCeil(type.getDimSize(0), partialsToOne);
    type = RankedTensorType::get({fewer, type.getDimSize(1)}, type.getElementType());
    parts = ft::kernel::ColumnPartialsOp::create(builder, op->getLoc(), type, parts, ValueRange(), ValueRange());
  }
  auto sum = ft::kernel::ColumnSumOp::create(builder, op->getLoc(), result, parts, op.getStart());
  op->replaceAllUsesWith(sum->getResults());
  op->erase();
}

std::string nameOf(const ft::FusionGroup &group) {
  std::string name;
  for (Operation *op : group.ops)
    name += (name.empty() ? "" : "_") + op->getName().stripDialect().str();
  return name;
}

/// Moves the group's operations into a kernel.fused at the builder's insertion point.
void buildFused(OpBuilder &b, const ft::FusionGroup &group) {
  llvm::SmallPtrSet<Operation *, 8> inside(group.ops.begin(), group.ops.end());
  auto isInside = [&](OpOperand &use) { return inside.contains(use.getOwner()); };
  llvm::SmallSetVector<Value, 8> inputs, outputs;
  for (Operation *op : group.ops) {
    for (Value operand : op->getOperands())
      if (!inside.contains(operand.getDefiningOp()))
        inputs.insert(operand);
    for (Value result : op->getResults())
      if (!llvm::all_of(result.getUses(), isInside))
        outputs.insert(result);
  }
  SmallVector<Type> types(ValueRange(outputs.getArrayRef()).getTypes());
  auto fused = ft::kernel::FusedOp::create(b, group.ops.back()->getLoc(), types, nameOf(group), inputs.getArrayRef());
  for (auto [output, result] : llvm::zip_equal(outputs, fused.getOutputs()))
    Value(output).replaceUsesWithIf(result, [&](OpOperand &use) { return !isInside(use); });
  Block &body = fused.getBody().emplaceBlock();
  for (Value input : inputs)
    input.replaceUsesWithIf(body.addArgument(input.getType(), input.getLoc()), isInside);
  OpBuilder inner = OpBuilder::atBlockEnd(&body);
  auto yield = ft::kernel::YieldOp::create(inner, fused.getLoc(), outputs.getArrayRef());
  for (Operation *op : group.ops) {
    op->moveBefore(yield);
    op->removeAttr(ft::model::backwardName); // whose it is makes no other kernel
  }
}

struct FusePass : ft::impl::FusePassBase<FusePass> {
  using FusePassBase::FusePassBase;

  void runOnOperation() override {
    if (partials < 1) {
      getOperation().emitError("kernel-fuse: partials is ") << int64_t(partials) << "; must be at least 1";
      return signalPassFailure();
    }
    if (!llvm::hasSingleElement(getOperation().getBody()))
      return;
    Block &block = getOperation().getBody().front();
    for (auto op : llvm::make_early_inc_range(block.getOps<ft::model::RmsNormWeightGradOp>()))
      splitColumnSum(op, op.getDy(), ValueRange{op.getX()}, ValueRange{op.getRstd()}, partials);
    for (auto op : llvm::make_early_inc_range(block.getOps<ft::model::BiasGradOp>()))
      splitColumnSum(op, op.getGrad(), {}, {}, partials);
    SmallVector<ft::FusionGroup> groups = ft::formFusionGroups(block);
    OpBuilder b(block.getTerminator());
    for (const ft::FusionGroup &group : groups) {
      if (group.rowWise)
        buildFused(b, group);
      else
        group.ops.front()->moveBefore(block.getTerminator());
    }
  }
};

} // namespace
