// Verifiers of the dist dialect. The labels (C1), (C2), ... are those of the descriptions in DistOps.td.
#include "dialects/Dist/Dist.h"

#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace ft::dist;

LogicalResult MeshOp::verify() {
  if (getAxes().empty())
    return emitOpError("(C1) has no axis; must have at least one");
  SmallVector<StringAttr> axes = axesOf(getAxes());
  for (auto [index, axis] : llvm::enumerate(axes))
    if (axis.empty() || llvm::is_contained(ArrayRef(axes).take_front(index), axis))
      return emitOpError("(C1) axis ") << axis << " is empty or occurs twice; names must differ";
  if (getSizes().size() != axes.size())
    return emitOpError("(C2) has ") << getSizes().size() << " sizes; must have one for each of the " << axes.size()
                                    << " axes";
  for (auto [axis, size] : llvm::zip(axes, getSizes()))
    if (size < 1)
      return emitOpError("(C2) axis ") << axis << " has size " << size << "; must be at least 1";
  return success();
}

static LogicalResult checkRank(Operation *op, StringRef name, ShardingAttr sharding, Value x) {
  const int64_t rank = cast<RankedTensorType>(x.getType()).getRank();
  if (int64_t(sharding.getDims().size()) == rank)
    return success();
  return op->emitOpError("(C1) ") << name << " has " << sharding.getDims().size() << " lists of axes; must have "
                                  << rank << ", one per dimension";
}

LogicalResult ConstraintOp::verify() {
  if (failed(checkRank(*this, "sharding", getSharding(), getX())))
    return failure();
  if (getSharding().isPartial())
    return emitOpError("(C2) asks for a partial value; only operations make those");
  return success();
}

LogicalResult ReshardOp::verify() {
  if (failed(checkRank(*this, "from", getFrom(), getX())) || failed(checkRank(*this, "to", getTo(), getX())))
    return failure();
  if (getFrom().getMesh() != getTo().getMesh())
    return emitOpError("(C2) goes from ") << getFrom().getMesh() << " to " << getTo().getMesh() << "; must be one mesh";
  return success();
}

namespace {

/// The number of ranks along `axes`, or failure: (C2).
FailureOr<int64_t> ranksAlong(Operation *op, FlatSymbolRefAttr name, ArrayAttr names, SymbolTableCollection &table) {
  auto mesh = table.lookupNearestSymbolFrom<MeshOp>(op, name);
  if (!mesh)
    return op->emitOpError("(C2) no dist.mesh named ") << name;
  if (names.empty())
    return op->emitOpError("(C2) names no axis; must name at least one of ") << mesh.getAxes();
  SmallVector<StringAttr> axes = axesOf(names);
  for (auto [index, axis] : llvm::enumerate(axes)) {
    if (mesh.getSize(axis) == 0)
      return op->emitOpError("(C2) ") << name << " has no axis " << axis << "; it has " << mesh.getAxes();
    if (llvm::is_contained(ArrayRef(axes).take_front(index), axis))
      return op->emitOpError("(C2) axis ") << axis << " occurs twice";
  }
  return mesh.getSize(axes);
}

/// `type` with dimension `dim` times `times` and divided by `parts`; null where dim is no dimension or parts does not
/// divide it.
RankedTensorType scaled(Type type, int64_t dim, int64_t times, int64_t parts) {
  auto tensor = cast<RankedTensorType>(type);
  if (dim < 0 || dim >= tensor.getRank() || tensor.getDimSize(dim) % parts)
    return nullptr;
  SmallVector<int64_t> shape(tensor.getShape());
  shape[dim] = shape[dim] * times / parts;
  return tensor.clone(shape);
}

LogicalResult checkScaled(Operation *op, Value x, Type actual, int64_t dim, int64_t times, int64_t parts) {
  auto tensor = cast<RankedTensorType>(x.getType());
  if (dim < 0 || dim >= tensor.getRank())
    return op->emitOpError("(C3) dim is ") << dim << "; must be in [0, " << tensor.getRank() << ")";
  RankedTensorType expected = scaled(tensor, dim, times, parts);
  if (!expected)
    return op->emitOpError("(C4) dimension ")
           << dim << " has " << tensor.getDimSize(dim) << " elements; must be a multiple of the " << parts << " ranks";
  if (actual != expected)
    return op->emitOpError("(C4) gives ") << actual << "; must be " << expected;
  return success();
}

template <typename Op> LogicalResult verifyStart(Op op) {
  auto pending = op.getPending().getType();
  if (op.getValues().empty())
    return op.emitOpError("(C1) has no value; must have at least one");
  if (pending.getTypes().size() != op.getValues().size())
    return op.emitOpError("(C1) has ") << pending.getTypes().size() << " pending types; must have one for each of the "
                                       << op.getValues().size() << " values";
  Type element = cast<RankedTensorType>(op.getValues()[0].getType()).getElementType();
  for (Value value : op.getValues())
    if (cast<RankedTensorType>(value.getType()).getElementType() != element)
      return op.emitOpError("(C1) moves values of different element types; must be one");
  Operation *user = op.getPending().hasOneUse() ? *op.getPending().user_begin() : nullptr;
  if (!isa_and_present<DoneOp>(user) || user->getBlock() != op->getBlock())
    return op.emitOpError("(C5) must be waited for by exactly one dist.done of the same block");
  return success();
}

template <typename Op> LogicalResult verifyStartSymbols(Op op, SymbolTableCollection &table, int64_t &ranks) {
  FailureOr<int64_t> found = ranksAlong(op, op.getMeshAttr(), op.getAxes(), table);
  if (failed(found))
    return failure();
  ranks = *found;
  return success();
}

} // namespace

LogicalResult StartAllGatherOp::verify() { return verifyStart(*this); }
LogicalResult StartAllReduceOp::verify() { return verifyStart(*this); }

LogicalResult StartReduceScatterOp::verify() {
  if (getReduction() == Reduction::Norm2)
    return emitOpError("(C6) reduces by norm2; must be sum or max");
  return verifyStart(*this);
}

LogicalResult StartAllGatherOp::verifySymbolUses(SymbolTableCollection &table) {
  int64_t ranks = 0;
  if (failed(verifyStartSymbols(*this, table, ranks)))
    return failure();
  for (auto [value, type] : llvm::zip(getValues(), getPending().getType().getTypes()))
    if (failed(checkScaled(*this, value, type, getDim(), ranks, 1)))
      return failure();
  return success();
}

LogicalResult StartReduceScatterOp::verifySymbolUses(SymbolTableCollection &table) {
  int64_t ranks = 0;
  if (failed(verifyStartSymbols(*this, table, ranks)))
    return failure();
  for (auto [value, type] : llvm::zip(getValues(), getPending().getType().getTypes()))
    if (failed(checkScaled(*this, value, type, getDim(), 1, ranks)))
      return failure();
  return success();
}

LogicalResult StartAllReduceOp::verifySymbolUses(SymbolTableCollection &table) {
  int64_t ranks = 0;
  if (failed(verifyStartSymbols(*this, table, ranks)))
    return failure();
  for (auto [value, type] : llvm::zip(getValues(), getPending().getType().getTypes()))
    if (value.getType() != type)
      return emitOpError("(C4) gives ") << type << "; must be " << value.getType();
  return success();
}

LogicalResult DoneOp::verify() {
  if (TypeRange(getResultTypes()) != TypeRange(getPending().getType().getTypes()))
    return emitOpError("(C1) gives ") << getResultTypes() << "; must be " << getPending().getType().getTypes();
  Operation *start = getPending().getDefiningOp();
  if (!isStart(start) || start->getBlock() != (*this)->getBlock())
    return emitOpError("(C2) must wait for a dist.start of the same block");
  return success();
}

LogicalResult SliceOp::verifySymbolUses(SymbolTableCollection &table) {
  FailureOr<int64_t> ranks = ranksAlong(*this, getMeshAttr(), getAxes(), table);
  if (failed(ranks))
    return failure();
  return checkScaled(*this, getX(), getType(), getDim(), 1, *ranks);
}
