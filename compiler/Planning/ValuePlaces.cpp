#include "compiler/Planning/ValuePlaces.h"

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Location.h"

using namespace mlir;
using namespace ft;

Place ft::placeOfType(Value v) {
  auto type = cast<RankedTensorType>(v.getType());
  Place p;
  p.elementType = type.getElementType();
  p.columns = type.getRank() ? type.getShape().back() : 1;
  p.rows = type.getNumElements() / p.columns;
  return p;
}

StringRef ft::placeName(Value value) {
  Operation *producer = value.getDefiningOp();
  if (auto name = dyn_cast<NameLoc>(producer->getLoc()))
    return name.getName();
  if (auto fused = dyn_cast<FusedLoc>(producer->getLoc()))
    for (Location part : fused.getLocations())
      if (auto name = dyn_cast<NameLoc>(part))
        return name.getName();
  return producer->getName().stripDialect();
}

model::WriteOp ft::writerOf(Value value) {
  for (Operation *user : value.getUsers())
    if (auto write = dyn_cast<model::WriteOp>(user))
      return write;
  return nullptr;
}
