#include "compiler/Codegen/RowPhases.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/RegionUtils.h"

#include <functional>

using namespace mlir;

namespace ft::kernel {

bool isRow(Type type) {
  auto vector = dyn_cast<VectorType>(type);
  return vector && vector.getRank() == 1;
}

int64_t rowLength(Type type) { return cast<VectorType>(type).getDimSize(0); }

SmallVector<Value> usedValues(Operation *op) {
  llvm::SetVector<Value> used(op->operand_begin(), op->operand_end());
  getUsedValuesDefinedAbove(op->getRegions(), used);
  return used.takeVector();
}

std::optional<Access> accessOf(Operation *op) {
  if (auto load = dyn_cast<vector::LoadOp>(op))
    return Access{op, load.getBase(), load.getIndices(), rowLength(load.getType()), false, true};
  if (auto codes = dyn_cast<LoadCodesOp>(op))
    return Access{op, codes.getBase(), codes.getIndices(), rowLength(codes.getType()), false, true};
  if (auto store = dyn_cast<vector::StoreOp>(op))
    return Access{op, store.getBase(), store.getIndices(), rowLength(store.getVectorType()), true, true};
  if (auto load = dyn_cast<memref::LoadOp>(op))
    return Access{op, load.getMemRef(), load.getIndices(), 1, false, false};
  if (auto store = dyn_cast<memref::StoreOp>(op))
    return Access{op, store.getMemRef(), store.getIndices(), 1, true, false};
  return std::nullopt;
}

SmallVector<Access, 4> accessesIn(Operation *op) {
  SmallVector<Access, 4> accesses;
  op->walk([&](Operation *inner) {
    if (std::optional<Access> access = accessOf(inner))
      accesses.push_back(*access);
  });
  return accesses;
}

namespace {

bool isAnchor(Operation *op) { return isa<vector::ReductionOp, vector::StoreOp>(op); }

bool yieldsRow(Operation *op) { return llvm::any_of(op->getResultTypes(), isRow); }

bool holdsAnchor(Operation *op) {
  return op
      ->walk([&](Operation *inner) {
        return isAnchor(inner) || isa<memref::StoreOp>(inner) ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

bool mentionsRows(Operation *op) {
  return op
      ->walk([&](Operation *inner) {
        return yieldsRow(inner) || llvm::any_of(inner->getOperandTypes(), isRow) ? WalkResult::interrupt()
                                                                                 : WalkResult::advance();
      })
      .wasInterrupted();
}

/// Loops and conditions that stay in the spine: those that hold anchors, and those that compute scalars beside rows.
bool isSpineRegion(Operation *op) {
  if (!isa<scf::ForOp, scf::IfOp>(op))
    return false;
  return holdsAnchor(op) || (mentionsRows(op) && !llvm::all_of(op->getResultTypes(), isRow));
}

/// index = base + offset, with the base null for constants.
std::pair<Value, int64_t> splitIndex(Value index) {
  IntegerAttr constant;
  if (matchPattern(index, m_Constant(&constant)))
    return {Value(), constant.getInt()};
  if (auto add = index.getDefiningOp<arith::AddIOp>()) {
    if (matchPattern(add.getRhs(), m_Constant(&constant))) {
      auto [base, offset] = splitIndex(add.getLhs());
      return {base, offset + constant.getInt()};
    }
  }
  return {index, 0};
}

/// True if the two index by the same value, plus a known difference.
std::optional<int64_t> indexDifference(Value a, Value b) {
  auto [baseA, offsetA] = splitIndex(a);
  auto [baseB, offsetB] = splitIndex(b);
  if (baseA != baseB)
    return std::nullopt;
  return offsetB - offsetA;
}

bool isSame(const Access &a, const Access &b) {
  return a.memref == b.memref && a.length == b.length && a.row == b.row &&
         llvm::all_of(llvm::zip(a.indices, b.indices),
                      [](auto pair) { return indexDifference(std::get<0>(pair), std::get<1>(pair)) == 0; });
}

bool isDisjoint(const Access &a, const Access &b) {
  if (a.memref != b.memref)
    return true;
  unsigned last = a.indices.size() - 1;
  for (unsigned d = 0; d < last; ++d)
    if (indexDifference(a.indices[d], b.indices[d]).value_or(0) != 0)
      return true;
  std::optional<int64_t> distance = indexDifference(a.indices[last], b.indices[last]);
  bool sameLeading = true;
  for (unsigned d = 0; d < last; ++d)
    sameLeading &= indexDifference(a.indices[d], b.indices[d]) == 0;
  return sameLeading && distance && (*distance >= a.length || -*distance >= b.length);
}

/// What may stand in a kernel; anything else would have to be guessed at.
LogicalResult checkOperation(Operation *op) {
  if (isa<ReturnOp, scf::YieldOp, scf::ForOp, scf::IfOp, PhiloxOp>(op) || accessOf(op))
    return success();
  if (auto reduction = dyn_cast<vector::ReductionOp>(op))
    return success();
  bool rows = llvm::any_of(op->getOperandTypes(), [](Type t) { return isa<VectorType>(t); }) || yieldsRow(op);
  StringRef dialect = op->getName().getDialectNamespace();
  if (!rows)
    return dialect == "arith" || dialect == "math" ? success() : op->emitOpError("cannot stand in a kernel");
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    return isa<SplatElementsAttr>(constant.getValue())
               ? success()
               : op->emitOpError("row constants must be splats; compute others from vector.step");
  if (auto broadcast = dyn_cast<vector::BroadcastOp>(op))
    if (isa<VectorType>(broadcast.getSourceType()))
      return op->emitOpError("must broadcast a scalar");
  if (isa<arith::DivSIOp, arith::DivUIOp, arith::RemSIOp, arith::RemUIOp>(op) &&
      !matchPattern(op->getOperand(1), m_Constant()))
    return op->emitOpError("integer division of rows needs a constant divisor: masked lanes hold zeros");
  if (isa<vector::BroadcastOp, vector::StepOp>(op) || OpTrait::hasElementwiseMappableTraits(op) ||
      isa<arith::SelectOp>(op))
    return success();
  return op->emitOpError("cannot be computed tile by tile; rows take elementwise operations, vector.load, store, "
                         "reduction, broadcast and step");
}

LogicalResult checkBody(FuncOp kernel) {
  WalkResult result = kernel.getBody().walk([&](Operation *op) {
    for (Type type :
         llvm::concat<const Type>(SmallVector<Type>(op->getOperandTypes()), SmallVector<Type>(op->getResultTypes())))
      if (auto vector = dyn_cast<VectorType>(type); vector && (vector.getRank() != 1 || vector.isScalable())) {
        op->emitOpError("has a vector that is not a row: ") << type;
        return WalkResult::interrupt();
      }
    if (isa<scf::ForOp, scf::IfOp>(op) && yieldsRow(op) && holdsAnchor(op)) {
      op->emitOpError("carries a row across a reduction or store; store the row, or split the kernel");
      return WalkResult::interrupt();
    }
    return failed(checkOperation(op)) ? WalkResult::interrupt() : WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

/// The operation of `block` that is or holds `op`; null if there is none.
Operation *ancestorIn(Block *block, Operation *op) { return block->findAncestorOpInBlock(*op); }

} // namespace

FailureOr<RowPhases> RowPhases::plan(FuncOp kernel) {
  RowPhases result;
  if (failed(checkBody(kernel)))
    return failure();
  unsigned next = 0;
  kernel.getBody().walk<WalkOrder::PreOrder>([&](Operation *op) { result.number[op] = next++; });
  if (failed(result.planBlock(kernel.getBody().front())) || failed(result.checkRereads(kernel)))
    return failure();
  result.findShared(kernel);
  return result;
}

SmallVector<const RowGroup *> RowPhases::groups() const {
  SmallVector<const RowGroup *> all;
  for (auto &[block, segments] : blocks)
    for (const Segment &segment : segments)
      for (const Phase &phase : segment.phases)
        for (const RowGroup &group : phase.groups)
          all.push_back(&group);
  return all;
}

LogicalResult RowPhases::planBlock(Block &block) {
  std::vector<Segment> segments;
  SmallVector<Operation *> current;
  SmallVector<Access, 4> stores; // of the current segment
  auto flush = [&]() {
    LogicalResult result = current.empty() ? success() : planSegment(current, segments);
    current.clear();
    stores.clear();
    return result;
  };
  for (Operation &op : block.without_terminator()) {
    if (isSpineRegion(&op)) {
      if (failed(flush()) || failed(addRegion(segments, &op)))
        return failure();
      continue;
    }
    SmallVector<Access, 4> accesses = accessesIn(&op);
    bool rereads = llvm::any_of(accesses, [&](const Access &a) {
      return llvm::any_of(stores, [&](const Access &s) { return !isDisjoint(a, s) && !(a.store && isSame(a, s)); });
    });
    if (rereads && failed(flush()))
      return failure();
    current.push_back(&op);
    llvm::copy_if(accesses, std::back_inserter(stores), [](const Access &a) { return a.store; });
  }
  if (failed(flush()))
    return failure();
  for (auto [s, segment] : llvm::enumerate(segments)) {
    auto at = [&, s = unsigned(s)](Operation *op, unsigned phase, unsigned step) {
      positions[op] = {&block, s, phase, step};
    };
    if (segment.region)
      at(segment.region, 0, 0);
    for (auto [p, phase] : llvm::enumerate(segment.phases)) {
      for (auto [g, group] : llvm::enumerate(phase.groups))
        for (Operation *anchor : group.anchors)
          at(anchor, p, 1 + g);
      for (Operation *store : phase.stores)
        at(store, p, ~0u);
    }
  }
  blocks[&block] = std::move(segments);
  return success();
}

LogicalResult RowPhases::addRegion(std::vector<Segment> &segments, Operation *op) {
  segments.emplace_back().region = op;
  for (Region &region : op->getRegions())
    for (Block &block : region)
      if (failed(planBlock(block)))
        return failure();
  return success();
}

LogicalResult RowPhases::planSegment(ArrayRef<Operation *> ops, std::vector<Segment> &segments) {
  // Values from before the segment are available in phase 0.
  DenseMap<Value, unsigned> available;
  DenseMap<Operation *, unsigned> phase;
  for (Operation *op : ops) {
    unsigned level = 0;
    for (Value value : usedValues(op))
      level = std::max(level, available.lookup(value));
    phase[op] = level;
    for (Value result : op->getResults())
      available[result] = level + isa<vector::ReductionOp>(op);
  }
  delayStores(ops, phase);
  Segment segment;
  for (Operation *op : ops) {
    unsigned p = phase[op];
    if (yieldsRow(op))
      continue;
    if (p >= segment.phases.size())
      segment.phases.resize(p + 1);
    Phase &place = segment.phases[p];
    if (isa<memref::StoreOp>(op)) {
      place.stores.push_back(op);
    } else if (isAnchor(op)) {
      int64_t length = rowLength(op->getOperand(0).getType());
      auto group = llvm::find_if(place.groups, [&](const RowGroup &g) { return g.length == length; });
      if (group == place.groups.end()) {
        place.groups.push_back({length, {}, {}});
        group = std::prev(place.groups.end());
      }
      group->anchors.push_back(op);
    } else {
      place.scalars.push_back(op);
    }
  }
  for (Phase &p : segment.phases)
    for (RowGroup &group : p.groups)
      group.slice = orderOnDemand(group.anchors);
  segments.push_back(std::move(segment));
  return success();
}

// A store must not come before a load of the same memory that precedes it in the program, nor before an earlier store.
// Phases only grow and are bounded by the segment's last one, so this ends.
void RowPhases::delayStores(ArrayRef<Operation *> ops, DenseMap<Operation *, unsigned> &phase) {
  bool changed = true;
  auto delay = [&](Operation *store, unsigned to) {
    changed |= phase[store] < to;
    phase[store] = std::max(phase[store], to);
  };
  while (changed) {
    changed = false;
    for (Operation *op : ops) {
      std::optional<Access> store = accessOf(op);
      if (!store || !store->store)
        continue;
      for (Operation *other : ops) {
        if (yieldsRow(other))
          continue;
        SmallVector<Access, 4> accesses;
        if (isAnchor(other)) {
          for (Operation *part : sliceOf({other}))
            accesses.append(accessesIn(part));
        } else {
          accesses = accessesIn(other);
        }
        if (llvm::any_of(accesses, [&](const Access &a) { return before(a.op, op) && !isDisjoint(a, *store); }))
          delay(op, phase[other]);
      }
    }
  }
}

SmallVector<Operation *> RowPhases::sliceOf(ArrayRef<Operation *> anchors) const {
  llvm::SetVector<Operation *> slice(anchors.begin(), anchors.end());
  for (unsigned i = 0; i < slice.size(); ++i)
    for (Value value : usedValues(slice[i]))
      if (isRow(value.getType()))
        slice.insert(value.getDefiningOp()); // never a block argument: checkBody
  SmallVector<Operation *> ordered = slice.takeVector();
  llvm::sort(ordered, [&](Operation *a, Operation *b) { return before(a, b); });
  return ordered;
}

// A store may overtake loads that precede it in the program only if they read elsewhere.
SmallVector<Operation *> RowPhases::orderOnDemand(ArrayRef<Operation *> anchors) const {
  SmallVector<Operation *> slice = sliceOf(anchors);
  llvm::SetVector<Operation *> order;
  std::function<void(Operation *)> visit = [&](Operation *op) {
    for (Value value : usedValues(op))
      if (isRow(value.getType()) && !order.contains(value.getDefiningOp()))
        visit(value.getDefiningOp());
    order.insert(op);
  };
  for (Operation *anchor : anchors) {
    if (std::optional<Access> store = accessOf(anchor))
      for (Operation *op : slice)
        if (before(op, anchor) && !isa<vector::StoreOp>(op) &&
            llvm::any_of(accessesIn(op), [&](const Access &load) { return !isDisjoint(load, *store); }))
          visit(op);
    visit(anchor);
  }
  return order.takeVector();
}

LogicalResult RowPhases::checkRereads(FuncOp kernel) {
  SmallVector<Access, 4> stores;
  for (const Access &access : accessesIn(kernel))
    if (access.store)
      stores.push_back(access);
  for (const RowGroup *group : groups())
    for (Operation *op : group->slice)
      for (const Access &load : accessesIn(op))
        for (const Access &store : stores)
          if (!load.store && failed(checkReread(*group, load, store)))
            return failure();
  return success();
}

LogicalResult RowPhases::checkReread(const RowGroup &group, const Access &load, const Access &store) {
  if (isDisjoint(load, store))
    return success();
  auto refuse = [&]() {
    InFlightDiagnostic diagnostic =
        load.op->emitOpError("would be read again after its memory was overwritten; store later, or to other memory");
    diagnostic.attachNote(store.op->getLoc()) << "overwritten here";
    return diagnostic;
  };
  Operation *walk = group.anchors.front();
  if (llvm::is_contained(group.anchors, store.op))
    return isSame(load, store) ? success() : LogicalResult(refuse());
  // A loop that stores, and walks the row each time, but loaded it before.
  for (Operation *loop = walk->getParentOp(); !isa<FuncOp>(loop); loop = loop->getParentOp())
    if (isa<scf::ForOp>(loop) && loop->isAncestor(store.op) && !loop->isAncestor(load.op))
      return refuse();
  if (before(store.op, load.op))
    return success();
  Block *block = walk->getBlock();
  while (!ancestorIn(block, store.op))
    block = block->getParentOp()->getBlock();
  Operation *storeAt = ancestorIn(block, store.op), *walkAt = ancestorIn(block, walk);
  if (storeAt == walkAt) // the two sides of a condition
    return success();
  const Position &a = positions.find(storeAt)->second, &b = positions.find(walkAt)->second;
  if (std::tie(a.segment, a.phase, a.step) > std::tie(b.segment, b.phase, b.step))
    return success();
  return refuse();
}

void RowPhases::findShared(FuncOp kernel) {
  SmallVector<Access, 4> accesses = accessesIn(kernel);
  for (const Access &store : accesses)
    if (store.store && llvm::any_of(accesses, [&](const Access &other) {
          return other.op != store.op && !isDisjoint(store, other) && !(store.row && isSame(store, other));
        }))
      shared.insert(store.op);
}

} // namespace ft::kernel
