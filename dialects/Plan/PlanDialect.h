// The plan dialect: operations and attributes. (runtime/Plan holds the message that they are written as.)
#pragma once

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"

#include "dialects/Plan/PlanDialect.h.inc"
#include "dialects/Plan/PlanEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Plan/PlanAttrs.h.inc"

namespace ft::plan {

using OperandVisitor = llvm::function_ref<void(llvm::StringRef role, OperandAttr operand)>;

/// Visits the operand of a role where it is present, or all of a role that takes several.
inline void visitRole(OperandVisitor visit, llvm::StringRef role, OperandAttr operand) {
  if (operand)
    visit(role, operand);
}
inline void visitRole(OperandVisitor visit, llvm::StringRef role, mlir::ArrayAttr operands) {
  if (operands)
    for (auto operand : operands.getAsRange<OperandAttr>())
      visit(role, operand);
}

} // namespace ft::plan

#include "dialects/Plan/PlanInterfaces.h.inc"
#define GET_OP_CLASSES
#include "dialects/Plan/PlanOps.h.inc"
