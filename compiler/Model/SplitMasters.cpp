#include "compiler/Model/SplitMasters.h"

#include "compiler/Model/Variables.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

static SmallVector<ReadOp> readsOf(ModuleOp module, VariableOp variable) {
  SmallVector<ReadOp> reads;
  for (auto segment : module.getOps<func::FuncOp>())
    for (auto read : segment.getOps<ReadOp>())
      if (read.getVariable() == variable.getSymName())
        reads.push_back(read);
  return reads;
}

VariableOp ft::splitMaster(ModuleOp module, VariableOp parameter) {
  VariableOp copy = findDerived(module, parameter.getSymName(), Role::WorkingCopy);
  const RankedTensorType type = parameter.getTensorType();
  if (parameter.getRole() != Role::Trainable || !type.getElementType().isF32() || !copy ||
      !copy.getTensorType().getElementType().isBF16())
    return nullptr;
  const SmallVector<ReadOp> asStored = readsOf(module, parameter);
  if (!llvm::all_of(asStored, [](ReadOp read) { return read.use_empty(); }))
    return nullptr;
  for (ReadOp read : asStored) // what the copy's took the place of
    read.erase();
  for (ReadOp read : readsOf(module, copy))
    read.setVariable(parameter.getSymName());
  parameter.setType(copy.getTensorType());
  copy.erase();
  return declareDerived(parameter, Role::Remainder, IntegerType::get(module.getContext(), 16));
}
