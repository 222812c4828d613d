#include "dialects/Ft/Ft.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/OpImplementation.h"

#include "dialects/Ft/FtDialect.cpp.inc"
#include "dialects/Ft/FtEnums.cpp.inc"
#include "dialects/Ft/FtInterfaces.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/Ft/FtOps.cpp.inc"

void ft::model::FtDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/Ft/FtOps.cpp.inc"
      >();
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
