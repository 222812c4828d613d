// dist-remove-trivial: over an axis of one rank, gathering, reducing and slicing give back their operand. One rank goes
// through the same passes as many, and loses what they made here.
#include "compiler/Sharding/RemoveTrivial.h"
#include "compiler/Sharding/Boxing.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace ft;
using namespace ft::dist;

namespace {

/// Takes the axes of one rank out of `op`'s; true if none is left.
bool dropTrivialAxes(Operation *op, MeshOp mesh) {
  auto axes = op->getAttrOfType<ArrayAttr>("axes");
  SmallVector<Attribute> left;
  for (StringAttr axis : axes.getAsRange<StringAttr>())
    if (mesh.getSize(axis) != 1)
      left.push_back(axis);
  if (left.size() < axes.size() && !left.empty())
    op->setAttr("axes", ArrayAttr::get(op->getContext(), left));
  return left.empty();
}

void replaceTrivial(Operation *op, MeshOp mesh) {
  if (!dropTrivialAxes(op, mesh))
    return;
  if (auto slice = dyn_cast<SliceOp>(op)) {
    slice.getResult().replaceAllUsesWith(slice.getX());
    slice.erase();
    return;
  }
  Operation *done = *op->getResult(0).user_begin();
  done->replaceAllUsesWith(op->getOperands());
  done->erase();
  op->erase();
}

} // namespace

void ft::removeTrivial(ModuleOp module) {
  MeshOp mesh = findMesh(module);
  if (!mesh)
    return;
  SmallVector<Operation *> collectives;
  module.walk([&](Operation *op) {
    if (isStart(op) || isa<SliceOp>(op))
      collectives.push_back(op);
  });
  for (Operation *op : collectives)
    replaceTrivial(op, mesh);
  if (mesh.getRanks() > 1)
    return;
  module.walk([&](Operation *op) {
    op->removeDiscardableAttr(shardingName);
    op->removeDiscardableAttr(globalName);
  });
  mesh.erase();
}
