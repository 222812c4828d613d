#include "compiler/Codegen/RowLowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include "mlir/IR/TypeUtilities.h"

#include <numeric>

using namespace mlir;

namespace ft::kernel {

//===- The spine -----------------------------------------------------------------------------------------------------//

void RowLowering::emitBlock(Block &block) {
  for (const Segment &segment : phases.segments(&block)) {
    if (segment.region)
      emitRegion(segment.region);
    for (const Phase &phase : segment.phases)
      emitPhase(phase);
  }
}

void RowLowering::emitRegion(Operation *op) {
  auto outside = kept; // tiles emitted inside do not dominate what follows
  auto outsideCarried = carried;
  if (auto loop = dyn_cast<scf::ForOp>(op))
    emitFor(loop);
  else
    emitIf(cast<scf::IfOp>(op));
  kept = std::move(outside);
  carried = std::move(outsideCarried);
}

/// The scalar operands of a terminator; rows are recomputed where they are needed.
static SmallVector<Value> scalarsOf(ValueRange values, IRMapping &map) {
  SmallVector<Value> mapped;
  for (Value value : values)
    if (!isRow(value.getType()))
      mapped.push_back(map.lookup(value));
  return mapped;
}

static void mapScalars(ValueRange from, ValueRange to, IRMapping &map) {
  unsigned next = 0;
  for (Value value : from)
    if (!isRow(value.getType()))
      map.map(value, to[next++]);
}

void RowLowering::emitFor(scf::ForOp op) {
  auto loop = scf::ForOp::create(b, scalars.lookup(op.getLowerBound()), scalars.lookup(op.getUpperBound()),
                                 scalars.lookup(op.getStep()), scalarsOf(op.getInitArgs(), scalars));
  scalars.map(op.getInductionVar(), loop.getInductionVar());
  mapScalars(op.getRegionIterArgs(), loop.getRegionIterArgs(), scalars);
  {
    OpBuilder::InsertionGuard guard(b);
    if (loop.getNumResults() == 0)
      b.setInsertionPoint(loop.getBody()->getTerminator());
    else
      b.setInsertionPointToEnd(loop.getBody());
    emitBlock(*op.getBody());
    if (loop.getNumResults() != 0)
      scf::YieldOp::create(b, scalarsOf(op.getYieldedValues(), scalars));
  }
  mapScalars(op.getResults(), loop.getResults(), scalars);
  annotateLoop(loop);
}

void RowLowering::emitIf(scf::IfOp op) {
  SmallVector<Type> types;
  llvm::copy_if(op.getResultTypes(), std::back_inserter(types), [](Type t) { return !isRow(t); });
  bool hasElse = !op.getElseRegion().empty();
  auto branch = scf::IfOp::create(b, types, scalars.lookup(op.getCondition()), /*addThenBlock=*/true,
                                  /*addElseBlock=*/hasElse);
  auto inside = kept;
  auto insideCarried = carried;
  for (auto [from, to] : llvm::zip(op->getRegions(), branch->getRegions())) {
    if (from.empty())
      continue;
    OpBuilder::InsertionGuard guard(b);
    Block &block = to.front();
    if (!block.empty())
      block.back().erase(); // an implicit yield
    b.setInsertionPointToEnd(&block);
    kept = inside;
    carried = insideCarried;
    emitBlock(from.front());
    scf::YieldOp::create(b, scalarsOf(from.front().getTerminator()->getOperands(), scalars));
  }
  mapScalars(op.getResults(), branch.getResults(), scalars);
}

void RowLowering::emitScalar(Operation *op, IRMapping &values) {
  Operation *clone = b.clone(*op, values);
  for (auto [from, to] : llvm::zip(op->getResults(), clone->getResults()))
    values.map(from, to);
}

void RowLowering::emitScalarStore(Operation *store) { emitScalar(store, scalars); }

void RowLowering::emitPhase(const Phase &phase) {
  for (Operation *op : phase.scalars)
    emitScalar(op, scalars);
  SmallVector<vector::ReductionOp> reductions;
  Reductions partial;
  auto isShared = [&](Operation *op) { return phases.isShared(op); };
  for (const RowGroup &group : phase.groups) {
    bool shared = llvm::any_of(group.anchors, isShared);
    if (shared)
      synchronise();
    Reductions results;
    for (Operation *anchor : group.anchors)
      if (auto reduction = dyn_cast<vector::ReductionOp>(anchor)) {
        reductions.push_back(reduction);
        auto type = VectorType::get({tileWidth(group)}, reduction.getType());
        results.push_back(neutral(reduction.getKind(), type));
      }
    llvm::append_range(partial, walkRow(group, results));
    for (Operation *op : group.slice)
      if (carrier(op))
        carried.insert(op);
    if (shared)
      synchronise();
  }
  if (!reductions.empty())
    for (auto [reduction, value] : llvm::zip(reductions, combine(reductions, partial))) {
      if (Value accumulator = reduction.getAcc())
        value = vector::makeArithReduction(b, b.getLoc(), reduction.getKind(), value, scalars.lookup(accumulator));
      scalars.map(reduction.getResult(), value);
    }
  for (Operation *store : phase.stores) {
    if (isShared(store))
      synchronise();
    emitScalarStore(store);
    if (isShared(store))
      synchronise();
  }
}

//===- One tile ------------------------------------------------------------------------------------------------------//

RowLowering::Reductions RowLowering::emitTile(const RowGroup &group, const Tile &tile, Reductions partial) {
  IRMapping fresh;
  Tile at = tile;
  if (tile.number < 0 && !tile.rows)
    at.rows = &fresh;
  IRMapping &rows = rowsOf(group.length, at);
  unsigned next = 0;
  for (Operation *op : group.slice) {
    if (auto store = dyn_cast<vector::StoreOp>(op)) {
      emitStore(store, tile, rows);
    } else if (auto reduction = dyn_cast<vector::ReductionOp>(op)) {
      Value value = rows.lookup(reduction.getVector());
      Value none = neutral(reduction.getKind(), value.getType());
      if (tile.active)
        value = arith::SelectOp::create(b, tile.active, value, none);
      else if (tile.lanes < tile.width)
        value = arith::SelectOp::create(b, maskOf(tile.width, tile.lanes), value, none);
      Value &sum = partial[next++];
      sum = vector::makeArithReduction(b, b.getLoc(), reduction.getKind(), sum, value);
    } else {
      if (auto load = dyn_cast<vector::LoadOp>(op); load && !rows.contains(load.getResult()))
        loadAhead(load, at);
      if (!rows.contains(op->getResult(0)))
        emitCarried(op, tile, rows);
    }
  }
  return partial;
}

IRMapping &RowLowering::rowsOf(int64_t length, const Tile &tile) {
  return tile.number < 0 ? *tile.rows : kept[{length, tile.number}];
}

void RowLowering::emitLoad(vector::LoadOp op, const Tile &tile) {
  IRMapping &rows = rowsOf(rowLength(op.getVectorType()), tile);
  if (!rows.contains(op.getResult()))
    emitLoad(op, tile, rows);
}

/// What the operation of a carried row would need is dead then; LLVM removes it.
void RowLowering::emitCarried(Operation *op, const Tile &tile, IRMapping &rows) {
  Value memory = carrier(op), result = op->getResult(0);
  if (memory && carried.contains(op)) {
    auto type = VectorType::get({tile.width}, getElementTypeOrSelf(result.getType()));
    rows.map(result, vector::LoadOp::create(b, type, memory, tile.offset).getResult());
    return;
  }
  emitRow(op, tile, rows);
  if (memory)
    vector::StoreOp::create(b, rows.lookup(result), memory, tile.offset);
}

Value RowLowering::lookup(Value value, IRMapping &rows) {
  Value local = rows.lookupOrNull(value); // scalars of a row loop's body are local to the tile
  return local ? local : scalars.lookup(value);
}

void RowLowering::emitRow(Operation *op, const Tile &tile, IRMapping &rows) {
  auto tiled = [&](Type type) -> Type {
    return isRow(type) ? VectorType::get({tile.width}, cast<VectorType>(type).getElementType()) : type;
  };
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return emitRowLoop(loop, tile, rows);
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return emitRowIf(branch, tile, rows);
  if (auto load = dyn_cast<vector::LoadOp>(op))
    return emitLoad(load, tile, rows);
  if (auto codes = dyn_cast<LoadCodesOp>(op))
    return emitLoadCodes(codes, tile, rows);
  if (auto step = dyn_cast<vector::StepOp>(op))
    return emitStep(step, tile, rows);
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    if (auto value = dyn_cast<SplatElementsAttr>(constant.getValue())) {
      rows.map(constant.getResult(), splat(tiled(constant.getType()), value.getSplatValue<TypedAttr>()));
      return;
    }
  OperationState state(b.getLoc(), op->getName());
  for (Value operand : op->getOperands())
    state.addOperands(lookup(operand, rows));
  for (Type type : op->getResultTypes())
    state.addTypes(tiled(type));
  state.addAttributes(op->getAttrs());
  state.propertiesAttr = op->getPropertiesAsAttribute();
  Operation *clone = b.create(state);
  rows.map(op->getResults(), clone->getResults());
}

void RowLowering::emitRowBlock(Block &block, const Tile &tile, IRMapping &rows) {
  for (Operation &op : block.without_terminator()) {
    if (llvm::any_of(op.getResultTypes(), isRow)) {
      emitRow(&op, tile, rows);
      continue;
    }
    Operation *clone = op.clone();
    clone->walk([&](Operation *inner) {
      for (OpOperand &operand : inner->getOpOperands())
        if (Value value = rows.lookupOrNull(operand.get()); value || scalars.contains(operand.get()))
          operand.set(value ? value : scalars.lookup(operand.get()));
    });
    b.insert(clone);
    rows.map(op.getResults(), clone->getResults());
  }
  SmallVector<Value> yielded;
  for (Value value : block.getTerminator()->getOperands())
    yielded.push_back(lookup(value, rows));
  scf::YieldOp::create(b, yielded);
}

void RowLowering::emitRowLoop(scf::ForOp op, const Tile &tile, IRMapping &rows) {
  SmallVector<Value> inits;
  for (Value init : op.getInitArgs())
    inits.push_back(lookup(init, rows));
  auto loop = scf::ForOp::create(b, lookup(op.getLowerBound(), rows), lookup(op.getUpperBound(), rows),
                                 lookup(op.getStep(), rows), inits);
  IRMapping inside(rows);
  inside.map(op.getInductionVar(), loop.getInductionVar());
  inside.map(op.getRegionIterArgs(), loop.getRegionIterArgs());
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(loop.getBody());
    emitRowBlock(*op.getBody(), tile, inside);
  }
  rows.map(op.getResults(), loop.getResults());
  annotateLoop(loop);
}

void RowLowering::emitRowIf(scf::IfOp op, const Tile &tile, IRMapping &rows) {
  SmallVector<Type> types;
  for (Type type : op.getResultTypes())
    types.push_back(isRow(type) ? VectorType::get({tile.width}, cast<VectorType>(type).getElementType()) : type);
  auto branch = scf::IfOp::create(b, types, lookup(op.getCondition(), rows), true, true);
  for (auto [from, to] : llvm::zip(op->getRegions(), branch->getRegions())) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(&to.front());
    IRMapping inside(rows);
    emitRowBlock(from.front(), tile, inside);
  }
  rows.map(op.getResults(), branch.getResults());
}

SmallVector<Value> RowLowering::indicesAt(ValueRange indices, const Tile &tile, IRMapping &rows) {
  SmallVector<Value> at;
  for (Value index : indices)
    at.push_back(lookup(index, rows));
  at.back() = arith::AddIOp::create(b, at.back(), tile.offset, arith::IntegerOverflowFlags::nsw);
  return at;
}

Value RowLowering::maskOf(int64_t width, int64_t lanes) {
  SmallVector<bool> bits(width);
  std::fill_n(bits.begin(), lanes, true);
  return arith::ConstantOp::create(
      b, DenseElementsAttr::get(VectorType::get({width}, b.getI1Type()), ArrayRef<bool>(bits)));
}

void RowLowering::emitLoad(vector::LoadOp op, const Tile &tile, IRMapping &rows) {
  auto type = VectorType::get({tile.width}, op.getVectorType().getElementType());
  SmallVector<Value> at = indicesAt(op.getIndices(), tile, rows);
  Value base = scalars.lookup(op.getBase()), value;
  llvm::MaybeAlign align = alignment(*accessOf(op), tile.width);
  if (tile.lanes < tile.width)
    value = vector::MaskedLoadOp::create(b, type, base, at, maskOf(tile.width, tile.lanes),
                                         splat(type, b.getZeroAttr(type.getElementType())), align);
  else
    value = vector::LoadOp::create(b, type, base, at, /*nontemporal=*/false, align);
  rows.map(op.getResult(), value);
}

/// Half as many bytes as the tile has elements; their high and low halves take turns. A tile of one element is one of
/// the two.
void RowLowering::emitLoadCodes(LoadCodesOp op, const Tile &tile, IRMapping &rows) {
  const int64_t width = std::max<int64_t>(tile.width / 2, 1);
  auto bytes = VectorType::get({width}, b.getI8Type()), words = VectorType::get({width}, b.getI32Type());
  Tile half = tile;
  half.offset = arith::ShRUIOp::create(b, tile.offset, constantIndex(1));
  SmallVector<Value> at = indicesAt(op.getIndices(), half, rows);
  Value base = scalars.lookup(op.getBase()), loaded;
  llvm::MaybeAlign align = alignment(*accessOf(op), width);
  if (tile.lanes < tile.width)
    loaded = vector::MaskedLoadOp::create(b, bytes, base, at, maskOf(width, tile.lanes / 2),
                                          splat(bytes, b.getI8IntegerAttr(0)), align);
  else
    loaded = vector::LoadOp::create(b, bytes, base, at, /*nontemporal=*/false, align);
  Value both = arith::ExtUIOp::create(b, words, loaded);
  Value high = arith::ShRUIOp::create(b, both, splat(words, b.getI32IntegerAttr(4)));
  Value low = arith::AndIOp::create(b, both, splat(words, b.getI32IntegerAttr(15)));
  if (tile.width == 1) {
    Value bit = arith::AndIOp::create(b, tile.offset, constantIndex(1));
    Value isSecond = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, bit, constantIndex(1));
    rows.map(op.getResult(), arith::SelectOp::create(b, isSecond, low, high).getResult());
    return;
  }
  SmallVector<int64_t> turns;
  for (int64_t i = 0; i < width; ++i)
    turns.append({i, width + i});
  rows.map(op.getResult(), vector::ShuffleOp::create(b, high, low, turns).getResult());
}

void RowLowering::emitStore(vector::StoreOp op, const Tile &tile, IRMapping &rows) {
  SmallVector<Value> at = indicesAt(op.getIndices(), tile, rows);
  Value base = scalars.lookup(op.getBase()), value = rows.lookup(op.getValueToStore());
  llvm::MaybeAlign align = alignment(*accessOf(op), tile.width);
  if (tile.lanes < tile.width) {
    vector::MaskedStoreOp::create(b, base, at, maskOf(tile.width, tile.lanes), value, align);
    return;
  }
  OpBuilder::InsertionGuard guard(b);
  if (tile.active) {
    auto branch = scf::IfOp::create(b, tile.active, /*withElseRegion=*/false);
    b.setInsertionPoint(branch.thenYield());
  }
  vector::StoreOp::create(b, value, base, at, /*nontemporal=*/false, align);
}

void RowLowering::emitStep(vector::StepOp op, const Tile &tile, IRMapping &rows) {
  auto type = VectorType::get({tile.width}, b.getIndexType());
  SmallVector<int64_t> numbers(tile.width);
  std::iota(numbers.begin(), numbers.end(), 0);
  Value lanes = arith::ConstantOp::create(b, DenseElementsAttr::get(type, ArrayRef<int64_t>(numbers)));
  Value start = vector::BroadcastOp::create(b, type, tile.offset);
  rows.map(op.getResult(), arith::AddIOp::create(b, start, lanes, arith::IntegerOverflowFlags::nsw).getResult());
}

//===- Small helpers -------------------------------------------------------------------------------------------------//

Value RowLowering::constantIndex(int64_t value) { return arith::ConstantIndexOp::create(b, value); }

Value RowLowering::splat(Type type, TypedAttr value) {
  if (auto vector = dyn_cast<VectorType>(type))
    value = DenseElementsAttr::get(vector, Attribute(value));
  return arith::ConstantOp::create(b, value);
}

/// The x with op(x, y) = y for every y, in bits: −0 for float sums, NaN for maxnum and minnum, which prefer numbers.
Value RowLowering::neutral(vector::CombiningKind kind, Type type) {
  Type element = getElementTypeOrSelf(type);
  using Kind = vector::CombiningKind;
  if (auto real = dyn_cast<FloatType>(element)) {
    const llvm::fltSemantics &semantics = real.getFloatSemantics();
    llvm::APFloat value = kind == Kind::ADD        ? llvm::APFloat::getZero(semantics, /*Negative=*/true)
                          : kind == Kind::MAXIMUMF ? llvm::APFloat::getInf(semantics, /*Negative=*/true)
                          : kind == Kind::MINIMUMF ? llvm::APFloat::getInf(semantics)
                                                   : llvm::APFloat::getQNaN(semantics);
    return splat(type, b.getFloatAttr(element, value));
  }
  unsigned bits = element.getIntOrFloatBitWidth();
  llvm::APInt value = kind == Kind::MAXSI                        ? llvm::APInt::getSignedMinValue(bits)
                      : kind == Kind::MINSI                      ? llvm::APInt::getSignedMaxValue(bits)
                      : kind == Kind::MINUI || kind == Kind::AND ? llvm::APInt::getAllOnes(bits)
                                                                 : llvm::APInt::getZero(bits);
  return splat(type, b.getIntegerAttr(element, value));
}

Value RowLowering::combineLanes(vector::CombiningKind kind, Value vector) {
  for (int64_t width = rowLength(vector.getType()); width > 1; width /= 2) {
    SmallVector<int64_t> low(width / 2), high(width / 2);
    std::iota(low.begin(), low.end(), 0);
    std::iota(high.begin(), high.end(), width / 2);
    vector = vector::makeArithReduction(b, b.getLoc(), kind, vector::ShuffleOp::create(b, vector, vector, low),
                                        vector::ShuffleOp::create(b, vector, vector, high));
  }
  return vector::ExtractOp::create(b, vector, 0);
}

} // namespace ft::kernel
