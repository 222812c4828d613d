#include "compiler/Sharding/Boxing.h"

#include "mlir/IR/Diagnostics.h"

using namespace mlir;
using namespace ft;
using namespace ft::dist;

namespace {

using Axes = SmallVector<StringAttr>;

/// Walks from one sharding to another and notes the steps.
class Boxer {
public:
  Boxer(Location loc, ShardingAttr from, ShardingAttr to, MeshOp mesh)
      : loc(loc), from(from), to(to), mesh(mesh), partial(from.getPartial()) {
    for (DimAttr dim : from.getDims())
      held.emplace_back(dim.getAxes());
  }

  FailureOr<SmallVector<BoxingStep>> run() {
    if (failed(checkOwn()))
      return failure();
    reduce();
    gather();
    slice();
    if (failed(checkPartial()))
      return failure();
    return steps;
  }

private:
  LogicalResult checkOwn() {
    for (auto [is, wanted] : llvm::zip(from.getDims(), to.getDims()))
      if (is.getOwn() != wanted.getOwn())
        return emitError(loc) << "a table that each rank has of its own cannot become " << to
                              << ": it is no part of a global one";
    return success();
  }

  Axes target(int64_t dim) const { return Axes(to.getDims()[dim].getAxes()); }

  /// Removes the axes of `from` that are not partial in `to`.
  void reduce() {
    Axes whole;
    for (StringAttr axis : from.getPartial()) {
      if (llvm::is_contained(to.getPartial(), axis))
        continue;
      llvm::erase(partial, axis);
      int64_t dim = scatterDim(axis);
      if (dim < 0) {
        whole.push_back(axis);
        continue;
      }
      steps.push_back({BoxingStep::Kind::ReduceScatter, dim, {axis}, from.getReduction()});
      held[dim].push_back(axis);
    }
    if (!whole.empty())
      steps.push_back({BoxingStep::Kind::AllReduce, 0, whole, from.getReduction()});
  }

  /// The dimension that `axis` splits next on the way to `to`; -1 where the reduction cannot scatter.
  int64_t scatterDim(StringAttr axis) const {
    if (from.getReduction() == Reduction::Norm2)
      return -1;
    for (size_t dim = 0; dim < held.size(); ++dim) {
      Axes next = held[dim];
      next.push_back(axis);
      if (ArrayRef(target(dim)).take_front(next.size()) == ArrayRef(next))
        return dim;
    }
    return -1;
  }

  void gather() {
    for (size_t dim = 0; dim < held.size(); ++dim) {
      Axes wanted = target(dim);
      size_t common = 0;
      while (common < held[dim].size() && common < wanted.size() && held[dim][common] == wanted[common])
        ++common;
      if (common == held[dim].size())
        continue;
      steps.push_back({BoxingStep::Kind::AllGather, int64_t(dim), Axes(ArrayRef(held[dim]).drop_front(common))});
      held[dim].truncate(common);
    }
  }

  void slice() {
    for (size_t dim = 0; dim < held.size(); ++dim) {
      Axes wanted = target(dim);
      if (held[dim].size() == wanted.size())
        continue;
      steps.push_back({BoxingStep::Kind::Slice, int64_t(dim), Axes(ArrayRef(wanted).drop_front(held[dim].size()))});
      held[dim] = wanted;
    }
  }

  LogicalResult checkPartial() {
    for (StringAttr axis : to.getPartial())
      if (!llvm::is_contained(partial, axis) && mesh.getSize(axis) > 1)
        return emitError(loc) << "a value that is not partial over axis " << axis << " cannot become " << to
                              << ": it would count once per rank";
    return success();
  }

  Location loc;
  ShardingAttr from, to;
  MeshOp mesh;
  SmallVector<Axes> held;
  Axes partial;
  SmallVector<BoxingStep> steps;
};

} // namespace

FailureOr<SmallVector<BoxingStep>> ft::box(Location loc, ShardingAttr from, ShardingAttr to, MeshOp mesh) {
  return Boxer(loc, from, to, mesh).run();
}

RankedTensorType ft::localType(RankedTensorType type, ShardingAttr sharding, MeshOp mesh) {
  SmallVector<int64_t> shape(type.getShape());
  for (auto [size, dim] : llvm::zip(shape, sharding.getDims()))
    size = dim.getOwn() ? dim.getOwn() : size / mesh.getSize(dim.getAxes());
  return type.clone(shape);
}

MeshOp ft::findMesh(ModuleOp module) {
  for (auto mesh : module.getOps<MeshOp>())
    return mesh;
  return nullptr;
}
