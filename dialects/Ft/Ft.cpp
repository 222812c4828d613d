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
