#include "compiler/Sharding/SumShares.h"

#include "dialects/Ft/Ft.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

/// The segment's read of `variable`, or null.
static ReadOp readOf(func::FuncOp segment, StringRef variable) {
  for (auto read : segment.getOps<ReadOp>())
    if (read.getVariable() == variable)
      return read;
  return nullptr;
}

static void sumShares(func::FuncOp next) {
  for (Operation &op : next.getOps())
    if (auto sum = dyn_cast<Accumulating>(op))
      if (Value start = sum.getStart(); start && start.getDefiningOp<ViewOp>())
        sum.getAccumulateMutable().clear();
  // A view of what ranks hold in shares would gather them, for nobody.
  for (ViewOp view : llvm::make_early_inc_range(next.getOps<ViewOp>()))
    if (view.use_empty())
      view.erase();
  OpBuilder builder(next.getContext());
  for (auto write : next.getOps<WriteOp>()) {
    auto assembled = write.getValue().getDefiningOp<AssembleOp>();
    ReadOp before = assembled ? readOf(next, write.getVariable()) : ReadOp();
    if (!before)
      continue;
    builder.setInsertionPoint(write);
    write.getValueMutable().assign(
        AccumulateOp::create(builder, write.getLoc(), assembled.getType(), before, assembled));
  }
}

void ft::sumShares(ModuleOp module) {
  for (StringRef name : {"accumulate_next", "accumulate_next_targets"})
    if (auto next = module.lookupSymbol<func::FuncOp>(name))
      ::sumShares(next);
}
