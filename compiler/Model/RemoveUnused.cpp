#include "compiler/Model/RemoveUnused.h"

#include "dialects/Ft/Ft.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace ft::model;

void ft::removeDeadOps(func::FuncOp function) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(function.getBody().front())))
    if (isOpTriviallyDead(&op))
      op.erase();
}

void ft::removeUnused(ModuleOp module) {
  llvm::StringSet<> used;
  for (auto function : module.getOps<func::FuncOp>()) {
    removeDeadOps(function);
    for (auto read : function.getOps<ReadOp>())
      used.insert(read.getVariable());
    for (auto write : function.getOps<WriteOp>())
      used.insert(write.getVariable());
  }
  for (auto variable : llvm::make_early_inc_range(module.getOps<VariableOp>())) {
    const Role role = variable.getRole();
    const bool isParameter = role == Role::Frozen || variable.isTrained();
    if (!isParameter && !used.contains(variable.getSymName()))
      variable.erase();
  }
}
