#include "dialects/Plan/PlanDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace ft::plan;

#include "dialects/Plan/PlanDialect.cpp.inc"
#include "dialects/Plan/PlanEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Plan/PlanAttrs.cpp.inc"
#include "dialects/Plan/PlanInterfaces.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/Plan/PlanOps.cpp.inc"

OperandAttr StepOpInterface::getWorkspace() {
  OperandAttr workspace;
  visitOperands([&](StringRef role, OperandAttr operand) {
    if (role == "workspace")
      workspace = operand;
  });
  return workspace;
}

SmallVector<OperandAttr> StepOpInterface::getAllOperands() {
  SmallVector<OperandAttr> operands;
  visitOperands([&](StringRef, OperandAttr operand) { operands.push_back(operand); });
  return operands;
}

void PlanDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Plan/PlanAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Plan/PlanOps.cpp.inc"
      >();
}
