#include "compiler/Layout/Layout.h"

#include "compiler/Layout/Borders.h"
#include "compiler/Layout/FormBuckets.h"
#include "compiler/Layout/MirrorMasters.h"
#include "compiler/Layout/UseBuckets.h"
#include "runtime/Plan/Kinds.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace ft;
using model::Role;
using model::VariableOp;

/// Reads of a copy that is its parameter read the parameter; nothing writes it.
static void dropCopy(ModuleOp module, VariableOp copy) {
  for (auto segment : module.getOps<func::FuncOp>())
    for (Operation &op : llvm::make_early_inc_range(segment.getBody().front())) {
      if (auto read = dyn_cast<model::ReadOp>(op); read && read.getVariable() == copy.getSymName())
        read.setVariable(*copy.getOf());
      else if (auto write = dyn_cast<model::WriteOp>(op); write && write.getVariable() == copy.getSymName())
        write.erase();
    }
  copy.erase();
}

/// Frozen weights that are split lie in buckets with their borders, and adapters are put into these where they are
/// gathered; whole ones have the adapters' working copies there.
LogicalResult ft::layOut(ModuleOp module, const LayoutOptions &options) {
  SmallVector<BorderedGroup> groups;
  if (options.foldAdapters)
    for (BorderStack &stack : findBorders(module))
      groups.append(stack.groups.begin(), stack.groups.end());
  llvm::StringSet<> bordered;
  for (const BorderedGroup &group : options.splitFrozen ? ArrayRef<BorderedGroup>() : groups)
    for (const BorderedGroup::Part &part : group.parts)
      bordered.insert(part.name());
  auto inBorder = [&](VariableOp v) { return bordered.contains(v.getSymName()); };
  SymbolTable symbols(module);
  auto parameterOf = [&](VariableOp copy) { return symbols.lookup<VariableOp>(*copy.getOf()); };
  auto isDropped = [&](VariableOp v) {
    return v.getRole() == Role::WorkingCopy && !inBorder(v) && v.getType() == parameterOf(v).getType();
  };
  for (BorderedGroup &group : groups)
    for (BorderedGroup::Part &part : group.parts)
      if (isDropped(part.variable))
        part.variable = parameterOf(part.variable);
  for (auto copy : llvm::make_early_inc_range(module.getOps<VariableOp>()))
    if (isDropped(copy))
      dropCopy(module, copy);
  SmallVector<Bucket> buckets =
      formBuckets(module, options, inBorder, options.splitFrozen ? groups : ArrayRef<BorderedGroup>());
  // Of several micro-batches the sum would leave; it lies where it is added to.
  const bool sums = module.lookupSymbol(plan::segmentName(plan::Segment::ACCUMULATE_NEXT)) != nullptr;
  for (Bucket &bucket : buckets)
    bucket.gradientLeaves = bucket.host && options.gradientsLeave && !sums;
  mirrorMasters(module, buckets);
  return useBuckets(module, buckets, options.ranks);
}
