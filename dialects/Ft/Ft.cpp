#include "dialects/Ft/Ft.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

#include "dialects/Ft/FtDialect.cpp.inc"
#include "dialects/Ft/FtEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Ft/FtAttrs.cpp.inc"
#include "dialects/Ft/FtInterfaces.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/Ft/FtOps.cpp.inc"

void ft::model::FtDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Ft/FtAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Ft/FtOps.cpp.inc"
      >();
}

llvm::LogicalResult ft::model::FtDialect::verifyOperationAttribute(mlir::Operation *op,
                                                                   mlir::NamedAttribute attribute) {
  if (attribute.getName() != backwardName)
    return op->emitOpError() << "has the unknown attribute " << attribute.getName() << "; ft has " << backwardName;
  if (!llvm::isa<mlir::UnitAttr>(attribute.getValue()))
    return op->emitOpError() << backwardName << " is " << attribute.getValue() << "; must be a unit";
  return llvm::success();
}

bool ft::model::PaddingAttr::fits(llvm::ArrayRef<int64_t> shape) const {
  return getDim() >= 0 && getDim() < int64_t(shape.size()) && 0 < getUsed() && getUsed() < getBlock() &&
         shape[getDim()] % getBlock() == 0;
}

llvm::SmallVector<int64_t> ft::model::VariableOp::getLogicalShape() {
  llvm::SmallVector<int64_t> shape(getTensorType().getShape());
  if (PaddingAttr padding = getPaddingAttr())
    shape[padding.getDim()] = padding.usedOf(shape[padding.getDim()]);
  return shape;
}

void ft::model::VariableOp::build(mlir::OpBuilder &builder, mlir::OperationState &state, llvm::StringRef name,
                                  mlir::RankedTensorType type, Role role) {
  state.getOrAddProperties<Properties>().sym_name = builder.getStringAttr(name);
  state.getOrAddProperties<Properties>().type = mlir::TypeAttr::get(type);
  state.getOrAddProperties<Properties>().role = RoleAttr::get(builder.getContext(), role);
}

void ft::model::LinearOp::build(mlir::OpBuilder &builder, mlir::OperationState &state, mlir::TypeRange types,
                                mlir::Value x, mlir::ValueRange weights) {
  build(builder, state, types, x, weights, /*low_rank=*/{}, /*low_rank_weights=*/{}, llvm::APFloat(1.0),
        llvm::ArrayRef<int64_t>());
}
