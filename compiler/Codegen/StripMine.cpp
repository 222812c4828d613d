// kernel-strip-mine: kernel.func → func.func over loops of tiles. What it does and costs: RowPhases.h.
#include "compiler/Codegen/Passes.h"
#include "compiler/Codegen/RowLowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace ft::kernel {
#define GEN_PASS_DEF_KERNELSTRIPMINE
#include "compiler/Codegen/Codegen.h.inc"
} // namespace ft::kernel

using namespace mlir;
using namespace ft::kernel;

/// Both operands of an in-place pair are one memory: from here on the body names it by the first.
static void mergeInplacePairs(FuncOp kernel) {
  for (auto [read, written] : kernel.getInplacePairs())
    kernel.getBody().getArgument(written).replaceAllUsesWith(kernel.getBody().getArgument(read));
}

/// Marks what the exponential of a softmax is taken of, which its tiles no longer show.
static void markNonPositive(FuncOp kernel) {
  kernel.walk([](math::ExpOp exp) {
    auto difference = exp.getOperand().getDefiningOp<arith::SubFOp>();
    auto spread = difference ? difference.getRhs().getDefiningOp<vector::BroadcastOp>() : vector::BroadcastOp();
    auto max = spread ? spread.getSource().getDefiningOp<vector::ReductionOp>() : vector::ReductionOp();
    if (!max || max.getVector() != difference.getLhs())
      return;
    if (max.getKind() == vector::CombiningKind::MAXNUMF || max.getKind() == vector::CombiningKind::MAXIMUMF)
      exp->setAttr(nonPositiveName, UnitAttr::get(exp.getContext()));
  });
}

/// Operands do not overlap (an in-place pair uses only its first), so each is noalias; one that is never stored to is
/// readonly.
static void claimAliasing(func::FuncOp function) {
  auto unit = UnitAttr::get(function.getContext());
  SmallVector<bool> stored(function.getNumArguments(), false);
  function.walk([&](Operation *op) {
    Value memref;
    if (auto store = dyn_cast<vector::MaskedStoreOp>(op))
      memref = store.getBase();
    else if (std::optional<Access> access = accessOf(op); access && access->store)
      memref = access->memref;
    if (auto argument = dyn_cast_or_null<BlockArgument>(memref))
      stored[argument.getArgNumber()] = true;
  });
  for (BlockArgument argument : function.getArguments()) {
    if (!isa<MemRefType>(argument.getType()))
      continue;
    function.setArgAttr(argument.getArgNumber(), "llvm.noalias", unit);
    if (!stored[argument.getArgNumber()])
      function.setArgAttr(argument.getArgNumber(), "llvm.readonly", unit);
  }
}

namespace {
struct KernelStripMinePass : ft::kernel::impl::KernelStripMineBase<KernelStripMinePass> {
  using KernelStripMineBase::KernelStripMineBase;

  void runOnOperation() override {
    if (target != "cpu" && target != "gpu") {
      getOperation().emitError("kernel-strip-mine: target is '") << target << "'; must be cpu or gpu";
      return signalPassFailure();
    }
    for (FuncOp kernel : llvm::make_early_inc_range(getOperation().getOps<FuncOp>())) {
      mergeInplacePairs(kernel);
      markNonPositive(kernel);
      OpBuilder builder(kernel);
      FailureOr<func::FuncOp> function =
          target == "cpu" ? lowerRowsToCpu(kernel, builder) : lowerRowsToGpu(kernel, builder);
      if (failed(function))
        return signalPassFailure();
      kernel.erase();
      claimAliasing(*function);
    }
  }
};
} // namespace
