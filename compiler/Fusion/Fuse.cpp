// kernel-fuse: what runs together. Row-wise operations of one row space that feed each other or read the same rows
// become one kernel.fused (FusionGroups.cpp has the rules); an operation alone becomes one as well. A norm's weight
// gradient is split into partial sums and their sum first, so that Planning sees the partials as a value.
// Products, attention, the head, updates, casts of whole parameters and scalar operations stay ft operations.
#include "compiler/Fusion/FusionGroups.h"
#include "compiler/Fusion/Passes.h"
#include "compiler/Fusion/RowSpace.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace ft {
#define GEN_PASS_DEF_FUSEPASS
#include "compiler/Fusion/Fusion.h.inc"
} // namespace ft

namespace {

void splitColumnSum(ft::model::RmsNormWeightGradOp op, int64_t partials) {
  OpBuilder b(op);
  auto x = cast<RankedTensorType>(op.getX().getType());
  auto rstd = cast<RankedTensorType>(op.getRstd().getType());
  auto type = RankedTensorType::get({std::min(partials, x.getDimSize(0)), x.getDimSize(1)}, rstd.getElementType());
  auto parts = ft::kernel::ColumnPartialsOp::create(b, op.getLoc(), type, op.getDy(), op.getX(), op.getRstd());
  auto sum = ft::kernel::ColumnSumOp::create(b, op.getLoc(), op.getDw().getType(), parts, op.getAccumulate());
  op.replaceAllUsesWith(sum.getSum());
  op.erase();
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
  for (Operation *op : group.ops)
    op->moveBefore(yield);
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
      splitColumnSum(op, partials);
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
