#include "compiler/Layout/Layout.h"

#include "compiler/Layout/Borders.h"
#include "compiler/Layout/FormBuckets.h"
#include "compiler/Layout/MirrorMasters.h"
#include "compiler/Layout/UseBuckets.h"

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

LogicalResult ft::layOut(ModuleOp module, const LayoutOptions &options) {
  llvm::StringSet<> bordered;
  if (options.foldAdapters)
    for (const BorderStack &stack : findBorders(module))
      for (const BorderedGroup &group : stack.groups)
        for (const BorderedGroup::Part &part : group.parts)
          bordered.insert(part.name());
  auto inBorder = [&](VariableOp v) { return bordered.contains(v.getSymName()); };
  SymbolTable symbols(module);
  for (auto copy : llvm::make_early_inc_range(module.getOps<VariableOp>()))
    if (copy.getRole() == Role::WorkingCopy && !inBorder(copy) &&
        copy.getType() == symbols.lookup<VariableOp>(*copy.getOf()).getType())
      dropCopy(module, copy);
  SmallVector<Bucket> buckets = formBuckets(module, options, inBorder);
  for (Bucket &bucket : buckets)
    if (bucket.host)
      mirrorMasters(module, bucket);
  return useBuckets(module, buckets);
}
