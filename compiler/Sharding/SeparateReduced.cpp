#include "compiler/Sharding/SeparateReduced.h"

#include "dialects/Ft/Ft.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

/// The segment of a step's last micro-batch.
static func::FuncOp makeLast(func::FuncOp next) {
  OpBuilder builder(next.getContext());
  builder.setInsertionPointAfter(next);
  auto last = cast<func::FuncOp>(builder.clone(*next));
  last.setSymName("accumulate_last");
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
  auto next = module.lookupSymbol<func::FuncOp>("accumulate_next");
  if (!next)
    return;
  llvm::StringMap<VariableOp> reducedOf;
  for (auto variable : llvm::make_early_inc_range(module.getOps<VariableOp>()))
    if (variable.getRole() == Role::Gradient && variable.getBucket())
      reducedOf[variable.getSymName()] = declareReduced(variable);
  if (reducedOf.empty())
    return;
  for (auto write : makeLast(next).getOps<WriteOp>())
    if (auto reduced = reducedOf.find(write.getVariable()); reduced != reducedOf.end())
      write.setVariable(VariableOp(reduced->second).getSymName());
  for (auto read : module.lookupSymbol<func::FuncOp>("update").getOps<ReadOp>())
    if (auto reduced = reducedOf.find(read.getVariable()); reduced != reducedOf.end())
      read.setVariable(VariableOp(reduced->second).getSymName());
}
