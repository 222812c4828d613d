#include "compiler/Sharding/SeparateReduced.h"

#include "dialects/Ft/Ft.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

/// The segment of a step's last micro-batch, made of that of the others; null where there is none of these.
static func::FuncOp makeLast(ModuleOp module, StringRef nextName, StringRef name) {
  auto next = module.lookupSymbol<func::FuncOp>(nextName);
  if (!next)
    return nullptr;
  OpBuilder builder(next.getContext());
  builder.setInsertionPointAfter(next);
  auto last = cast<func::FuncOp>(builder.clone(*next));
  last.setSymName(name);
  return last;
}

static VariableOp declareReduced(VariableOp gradient) {
  OpBuilder builder(gradient->getContext());
  builder.setInsertionPointAfter(gradient);
  auto reduced = cast<VariableOp>(builder.clone(*gradient));
  reduced.setSymName((gradient.getSymName() + ".reduced").str());
  reduced.setPlaceAttr(PlaceAttr::get(builder.getContext(), FlatSymbolRefAttr::get(gradient.getSymNameAttr()), 0, 0));
  return reduced;
}

void ft::separateReduced(ModuleOp module) {
  if (!module.lookupSymbol<func::FuncOp>("accumulate_next"))
    return;
  llvm::StringMap<VariableOp> reducedOf;
  for (auto variable : llvm::make_early_inc_range(module.getOps<VariableOp>()))
    if (variable.getRole() == Role::Gradient && variable.getBucket())
      reducedOf[variable.getSymName()] = declareReduced(variable);
  if (reducedOf.empty())
    return;
  for (func::FuncOp last : {makeLast(module, "accumulate_next", "accumulate_last"),
                            makeLast(module, "accumulate_next_targets", "accumulate_last_targets")}) {
    if (!last)
      continue;
    for (auto write : last.getOps<WriteOp>())
      if (auto reduced = reducedOf.find(write.getVariable()); reduced != reducedOf.end())
        write.setVariable(VariableOp(reduced->second).getSymName());
  }
  for (auto read : module.lookupSymbol<func::FuncOp>("update").getOps<ReadOp>())
    if (auto reduced = reducedOf.find(read.getVariable()); reduced != reducedOf.end())
      read.setVariable(VariableOp(reduced->second).getSymName());
}
