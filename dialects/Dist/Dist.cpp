#include "dialects/Dist/Dist.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace ft::dist;

#include "dialects/Dist/DistDialect.cpp.inc"
#include "dialects/Dist/DistEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Dist/DistAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/Dist/DistTypes.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/Dist/DistOps.cpp.inc"

void DistDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Dist/DistAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/Dist/DistTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Dist/DistOps.cpp.inc"
      >();
}

SmallVector<StringAttr> ft::dist::axesOf(ArrayAttr axes) { return llvm::to_vector(axes.getAsRange<StringAttr>()); }

bool ft::dist::isStart(Operation *op) {
  return isa_and_present<StartAllGatherOp, StartReduceScatterOp, StartAllReduceOp>(op);
}

int64_t MeshOp::getSize(StringAttr axis) {
  for (auto [name, size] : llvm::zip(getAxes(), getSizes()))
    if (name == axis)
      return size;
  return 0;
}

int64_t MeshOp::getSize(ArrayRef<StringAttr> axes) {
  int64_t size = 1;
  for (StringAttr axis : axes)
    size *= getSize(axis);
  return size;
}

int64_t MeshOp::getRanks() {
  int64_t ranks = 1;
  for (int64_t size : getSizes())
    ranks *= size;
  return ranks;
}

void DoneOp::build(OpBuilder &builder, OperationState &state, Value pending) {
  build(builder, state, llvm::cast<PendingType>(pending.getType()).getTypes(), pending);
}
