// Row lowering for NVIDIA GPUs. Rows of at most 1024 elements take a warp each or, if they are shorter still, a part of
// one (2, 4, … lanes), in blocks of four warps; longer rows take a block. Thread t owns the vectors (k·T + t) of a row
// for k = 0, 1, …; a vector is 16 bytes of the narrowest element type that the row's accesses use, less where length,
// pitch or offset do not allow it. Up to 32 elements a thread are kept in registers from phase to phase (the k loop is
// unrolled); longer rows are read again in each phase. A walk loads ahead of what it computes, up to `bytesAhead` a
// thread: a load behind a store or a branch would wait for both.
//
// Threads past the end of a row in its last k read from the row's start, are neutral in reductions and do not store.
// Reductions: lanes of a thread as a binary tree, lanes of a warp by butterfly shuffles, warps through shared memory
// and butterfly shuffles again: fixed order, and every thread ends with the same bits. Scalars are computed by all
// threads; thread 0 stores them. Around stores to memory that other threads access, the block or warp synchronises.
#include "compiler/Codegen/RowLowering.h"
#include "dialects/TypeBytes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Matchers.h"

#include <algorithm>
#include <numeric>
#include <optional>

using namespace mlir;

namespace ft::kernel {
namespace {

constexpr int64_t warpSize = 32, shortRowThreads = 128, longestWarpRow = 1024, maxThreads = 512, loopThreads = 256;
constexpr int64_t elementsPerThread = 16, keptElements = 32, keptVectors = 8, maxVector = 8;
/// What a thread loads before it computes with the first of it, and how many turns of a loop take their loads together.
constexpr int64_t bytesAhead = 128, turnsAhead = 4;
/// Threads that must fit a multiprocessor at once: 80 registers each, or 128 where a thread keeps more than
/// `lightElements` from phase to phase, computes in f64, or draws random numbers for more than `lightBytes` that it
/// loads for one tile. Left to itself ptxas aims at full occupancy and spills for it.
constexpr int64_t residentThreads = 768, residentHeavyThreads = 512, lightElements = 40, lightBytes = 192;

/// A number that divides `value` whatever its operands; 0 for the constant 0, which everything divides.
int64_t knownDivisor(Value value) {
  IntegerAttr constant;
  if (matchPattern(value, m_Constant(&constant)))
    return std::abs(constant.getInt());
  Operation *op = value.getDefiningOp();
  if (isa_and_nonnull<arith::MulIOp>(op))
    return knownDivisor(op->getOperand(0)) * knownDivisor(op->getOperand(1));
  if (isa_and_nonnull<arith::AddIOp, arith::SubIOp>(op))
    return std::gcd(knownDivisor(op->getOperand(0)), knownDivisor(op->getOperand(1)));
  if (isa_and_nonnull<arith::IndexCastOp, arith::ExtSIOp, arith::ExtUIOp>(op))
    return knownDivisor(op->getOperand(0));
  if (auto argument = dyn_cast<BlockArgument>(value))
    if (auto loop = dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp()); loop && argument.getArgNumber() == 0)
      return std::gcd(knownDivisor(loop.getLowerBound()), knownDivisor(loop.getStep()));
  return 1;
}

/// A number of elements that divides the distance of the access from the start of its memory.
int64_t offsetDivisor(const Access &access) {
  SmallVector<int64_t> strides;
  int64_t offset;
  (void)cast<MemRefType>(access.memref.getType()).getStridesAndOffset(strides, offset); // static: verified
  int64_t divisor = 0;
  for (auto [index, stride] : llvm::zip(access.indices, strides))
    divisor = std::gcd(divisor, knownDivisor(index) * stride);
  return isa<LoadCodesOp>(access.op) ? 2 * divisor : divisor; // two codes a byte
}

int64_t bytesOf(const Access &access) {
  return elementBytes(cast<MemRefType>(access.memref.getType()).getElementType());
}

/// Arithmetic in f64 takes twice the registers, and leaves none for what is loaded ahead.
bool isOfF64(vector::LoadOp load) { return load.getVectorType().getElementType().isF64(); }

/// How the rows of one length lie on the threads.
struct RowShape {
  int64_t vector;  ///< elements of a vector
  int64_t vectors; ///< vectors of a row
};

RowShape shapeOf(int64_t length, ArrayRef<const RowGroup *> groups) {
  int64_t narrowest = 8, divisor = length;
  bool any = false;
  for (const RowGroup *group : groups)
    if (group->length == length)
      for (Operation *op : group->slice)
        for (const Access &access : accessesIn(op))
          if (access.row) {
            narrowest = any ? std::min(narrowest, bytesOf(access)) : bytesOf(access);
            any = true;
            divisor = std::gcd(divisor, offsetDivisor(access));
          }
  int64_t vector = std::min<int64_t>(16 / narrowest, maxVector);
  while (divisor % vector)
    vector /= 2;
  return {vector, length / vector};
}

class GpuRows : public RowLowering {
public:
  GpuRows(FuncOp kernel, const RowPhases &phases, ImplicitLocOpBuilder &builder)
      : RowLowering(kernel, phases, builder), alignments(kernel.getOperandArguments().size(), 1) {
    SmallVector<const RowGroup *> groups = phases.groups();
    for (const RowGroup *group : groups)
      shapes.try_emplace(group->length, shapeOf(group->length, groups));
    warpRows = shapes.empty() || shapes.rbegin()->first <= longestWarpRow;
    if (warpRows) {
      threads = 1;
      for (auto &[length, shape] : shapes)
        threads = std::max<int64_t>(threads, llvm::PowerOf2Ceil(std::min(shape.vectors, warpSize)));
    } else {
      threads = warpSize;
      for (auto &[length, shape] : shapes) {
        int64_t perThread = std::min(keptVectors, std::max<int64_t>(1, elementsPerThread / shape.vector));
        threads = std::max<int64_t>(threads, llvm::alignTo(llvm::divideCeil(shape.vectors, perThread), warpSize));
      }
      threads = std::min(threads, maxThreads);
      if (llvm::any_of(shapes, [&](auto &entry) { return !isKept(entry.second); }))
        threads = loopThreads; // three blocks to a multiprocessor rather than one of 512
    }
  }

  func::FuncOp emit();

private:
  int64_t tileWidth(const RowGroup &group) override { return shapes.at(group.length).vector; }
  Reductions walkRow(const RowGroup &group, Reductions partial) override;
  Reductions combine(ArrayRef<vector::ReductionOp> ops, Reductions partial) override;
  void emitScalarStore(Operation *store) override;
  llvm::MaybeAlign alignment(const Access &access, int64_t width) override;
  void synchronise() override;

  /// A thread's part of the row stays in registers.
  bool isKept(const RowShape &shape) const {
    int64_t perThread = llvm::divideCeil(shape.vectors, threads);
    return perThread <= keptVectors && perThread * shape.vector <= keptElements;
  }
  int64_t keptBetweenPhases() const;
  bool computesInF64() const;
  int64_t bytesOfTile(const RowGroup &group) const;
  Value laneOffset(const RowShape &shape);
  Tile ragged(const RowGroup &group, Value offset, int64_t number);
  Reductions walkUnrolled(const RowGroup &group, Reductions partial);
  Reductions walkLoop(const RowGroup &group, Reductions partial);
  void annotateLoop(scf::ForOp loop) override;
  void loadAhead(vector::LoadOp load, const Tile &tile) override;
  Reductions emitTiles(const RowGroup &group, ArrayRef<Tile> tiles, Reductions partial);
  int64_t turnsOf(const RowGroup &group) const;
  void unroll(scf::ForOp loop, int32_t count);
  static int32_t turnsInFlight(scf::ForOp loop);
  Value shuffle(Value value, int64_t distance);
  Value butterfly(vector::CombiningKind kind, Value value);
  Reductions combineWarps(ArrayRef<vector::ReductionOp> ops, Reductions partial);
  Value slot(LLVM::GlobalOp shared, Value index);
  Value constantI32(int64_t value) { return arith::ConstantIntOp::create(b, value, 32); }

  func::FuncOp function;
  std::map<int64_t, RowShape> shapes; // by row length
  bool warpRows;
  int64_t threads;  // that share a row: a power of two up to a warp, or whole warps
  Value thread;     // index, of those that share the row
  Value lane, warp; // i32, of the block
  Value members;    // i32, the lanes of this warp that share the row
  unsigned sharedCount = 0;
  SmallVector<int64_t> alignments;                            // by operand: bytes that its vectors need
  SmallVector<std::pair<vector::LoadOp, const Tile *>> ahead; // the loads of a walk's next tiles, in order
};

func::FuncOp GpuRows::emit() {
  SmallVector<Type> types;
  for (BlockArgument operand : kernel.getOperandArguments())
    types.push_back(operand.getType());
  types.push_back(b.getI64Type());
  function = func::FuncOp::create(b, kernel.getSymName(), b.getFunctionType(types, {}));
  int64_t rows = warpRows ? shortRowThreads / threads : 1;
  const auto drawsForMuch = [&](const RowGroup *group) {
    return llvm::any_of(group->slice, llvm::IsaPred<PhiloxOp>) && bytesOfTile(*group) > lightBytes;
  };
  const bool heavy =
      keptBetweenPhases() > lightElements || computesInF64() || llvm::any_of(phases.groups(), drawsForMuch);
  int64_t resident = heavy ? residentHeavyThreads : residentThreads;
  int64_t minBlocks = std::max<int64_t>(1, resident / (threads * rows));
  Block *entry = function.addEntryBlock();
  b.setInsertionPointToStart(entry);
  for (auto [operand, argument] : llvm::zip(kernel.getOperandArguments(), entry->getArguments()))
    map(operand, argument);
  Type i32 = b.getI32Type();
  Value number = NVVM::ThreadIdXOp::create(b, i32), block = NVVM::BlockIdXOp::create(b, i32);
  lane = arith::AndIOp::create(b, number, constantI32(warpSize - 1));
  warp = arith::ShRUIOp::create(b, number, constantI32(5));
  Value item = arith::ExtUIOp::create(b, b.getI64Type(), block), owner = number;
  members = constantI32(-1);
  if (warpRows) {
    Value row = arith::ShRUIOp::create(b, number, constantI32(llvm::Log2_64(threads)));
    item = arith::MulIOp::create(b, item, arith::ConstantIntOp::create(b, rows, 64));
    item = arith::AddIOp::create(b, item, arith::ExtUIOp::create(b, b.getI64Type(), row));
    owner = arith::AndIOp::create(b, number, constantI32(threads - 1));
    if (threads < warpSize)
      members =
          arith::ShLIOp::create(b, constantI32((int64_t(1) << threads) - 1), arith::SubIOp::create(b, lane, owner));
  }
  thread = arith::IndexCastUIOp::create(b, b.getIndexType(), owner);
  Value exists = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, item, entry->getArguments().back());
  auto guard = scf::IfOp::create(b, exists, /*withElseRegion=*/false);
  func::ReturnOp::create(b);
  b.setInsertionPoint(guard.thenYield());
  map(kernel.getItem(), arith::IndexCastOp::create(b, b.getIndexType(), item));
  emitBody();
  function->setAttr("kernel.launch", b.getDictionaryAttr({
                                         b.getNamedAttr("alignments", b.getDenseI64ArrayAttr(alignments)),
                                         b.getNamedAttr("items_per_block", b.getI64IntegerAttr(rows)),
                                         b.getNamedAttr("min_blocks", b.getI64IntegerAttr(minBlocks)),
                                         b.getNamedAttr("threads", b.getI64IntegerAttr(threads * rows)),
                                     }));
  return function;
}

//===- Walking a row -------------------------------------------------------------------------------------------------//

/// Elements of loaded rows that a thread holds because more than one walk needs them.
int64_t GpuRows::keptBetweenPhases() const {
  llvm::DenseMap<Operation *, unsigned> walks;
  int64_t elements = 0;
  for (const RowGroup *group : phases.groups()) {
    const RowShape &shape = shapes.at(group->length);
    for (Operation *op : group->slice)
      if (isa<vector::LoadOp>(op) && isKept(shape) && ++walks[op] == 2)
        elements += llvm::divideCeil(shape.vectors, threads) * shape.vector;
  }
  return elements;
}

bool GpuRows::computesInF64() const {
  return llvm::any_of(phases.groups(), [](const RowGroup *group) {
    return llvm::any_of(group->slice, [](Operation *op) {
      auto load = dyn_cast<vector::LoadOp>(op);
      return load && isOfF64(load);
    });
  });
}

/// That a thread loads of a tile.
int64_t GpuRows::bytesOfTile(const RowGroup &group) const {
  int64_t bytes = 0;
  for (Operation *op : group.slice)
    if (isa<vector::LoadOp>(op))
      bytes += shapes.at(group.length).vector * bytesOf(*accessOf(op));
  return bytes;
}

Value GpuRows::laneOffset(const RowShape &shape) {
  return arith::MulIOp::create(b, thread, constantIndex(shape.vector), arith::IntegerOverflowFlags::nsw);
}

/// The last vectors of a row, of which some threads have none.
Tile GpuRows::ragged(const RowGroup &group, Value offset, int64_t number) {
  Value active = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, offset, constantIndex(group.length));
  offset = arith::SelectOp::create(b, active, offset, constantIndex(0));
  int64_t width = tileWidth(group);
  return {offset, width, width, active, number, nullptr};
}

GpuRows::Reductions GpuRows::walkRow(const RowGroup &group, Reductions partial) {
  const RowShape &shape = shapes.at(group.length);
  return isKept(shape) ? walkUnrolled(group, partial) : walkLoop(group, partial);
}

GpuRows::Reductions GpuRows::walkUnrolled(const RowGroup &group, Reductions partial) {
  const RowShape &shape = shapes.at(group.length);
  Value start = laneOffset(shape);
  SmallVector<Tile> tiles;
  for (int64_t first = 0, k = 0; first < shape.vectors; first += threads, ++k) {
    Value offset =
        arith::AddIOp::create(b, start, constantIndex(first * shape.vector), arith::IntegerOverflowFlags::nsw);
    tiles.push_back(first + threads <= shape.vectors ? Tile{offset, shape.vector, shape.vector, {}, k}
                                                     : ragged(group, offset, k));
  }
  return emitTiles(group, tiles, partial);
}

/// Tiles one behind the other; their loads may come before what precedes them, since no store of a walk is of memory
/// that the walk loads behind it.
GpuRows::Reductions GpuRows::emitTiles(const RowGroup &group, ArrayRef<Tile> tiles, Reductions partial) {
  for (const Tile &tile : tiles)
    for (Operation *op : group.slice)
      if (auto load = dyn_cast<vector::LoadOp>(op))
        ahead.emplace_back(load, &tile);
  for (const Tile &tile : tiles)
    partial = emitTile(group, tile, partial);
  ahead.clear();
  return partial;
}

void GpuRows::loadAhead(vector::LoadOp load, const Tile &tile) {
  if (isOfF64(load))
    return;
  auto isIt = [&](const auto &entry) {
    return entry.first == load && entry.second->number == tile.number && entry.second->rows == tile.rows;
  };
  int64_t bytes = 0;
  for (auto it = llvm::find_if(ahead, isIt); it != ahead.end() && bytes < bytesAhead; ++it) {
    emitLoad(it->first, *it->second);
    bytes += it->second->width * bytesOf(*accessOf(it->first));
  }
}

/// Turns of a loop over `group` whose loads are taken together.
int64_t GpuRows::turnsOf(const RowGroup &group) const {
  const int64_t bytes = bytesOfTile(group);
  int64_t most = turnsAhead;
  for (Operation *op : group.slice)
    if (auto load = dyn_cast<vector::LoadOp>(op))
      most = isOfF64(load) ? 1 : most;
  return bytes ? std::clamp<int64_t>(bytesAhead / bytes, 1, most) : 1;
}

/// Without a word LLVM and ptxas unroll loops of known length until they spill; unrolled a little, more loads are in
/// flight.
void GpuRows::unroll(scf::ForOp loop, int32_t count) {
  MLIRContext *context = b.getContext();
  auto unroll = LLVM::LoopUnrollAttr::get(context, {}, b.getI32IntegerAttr(count), {}, {}, {}, {}, {});
  loop->setAttr("loop_annotation",
                LLVM::LoopAnnotationAttr::get(context, {}, {}, {}, unroll, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}));
}

/// Loops that shuffle or wait for other threads stay as they are: LLVM does not unroll them.
void GpuRows::annotateLoop(scf::ForOp loop) {
  bool convergent = loop.walk([](Operation *op) {
                          return isa<NVVM::ShflOp, NVVM::Barrier0Op, NVVM::SyncWarpOp>(op) ? WalkResult::interrupt()
                                                                                           : WalkResult::advance();
                        })
                        .wasInterrupted();
  if (!convergent)
    unroll(loop, turnsInFlight(loop));
}

/// Of a loop that runs so many times known here, as many as load `bytesAhead` twice over: of those of unknown number
/// most run a few times.
int32_t GpuRows::turnsInFlight(scf::ForOp loop) {
  constexpr int64_t few = 4, many = 16;
  int64_t bytes = 0;
  for (auto load : loop.getBody()->getOps<vector::LoadOp>())
    bytes += load.getVectorType().getNumElements() * elementBytes(load.getVectorType().getElementType());
  const std::optional<llvm::APInt> turns = loop.getStaticTripCount();
  return bytes == 0 || !turns || turns->ult(many) ? few : std::clamp(2 * bytesAhead / bytes, few, many);
}

GpuRows::Reductions GpuRows::walkLoop(const RowGroup &group, Reductions partial) {
  const RowShape &shape = shapes.at(group.length);
  const int64_t turn = threads * shape.vector, turns = turnsOf(group);
  const int64_t whole = group.length / (turn * turns) * (turn * turns);
  Value start = laneOffset(shape);
  // Tiles from an offset on, and the mappings that hold what of them is there.
  SmallVector<IRMapping> rows(turns);
  SmallVector<Tile> tiles;
  auto addTile = [&](Value base, int64_t first) {
    Value offset = arith::AddIOp::create(b, base, constantIndex(first), arith::IntegerOverflowFlags::nsw);
    tiles.push_back({offset, shape.vector, shape.vector, {}, -1, &rows[tiles.size()]});
  };
  if (whole > 0) {
    auto loop = scf::ForOp::create(b, constantIndex(0), constantIndex(whole), constantIndex(turn * turns), partial);
    unroll(loop, turns > 1 ? 1 : 2);
    OpBuilder::InsertionGuard guard(b);
    if (partial.empty())
      b.setInsertionPoint(loop.getBody()->getTerminator());
    else
      b.setInsertionPointToEnd(loop.getBody());
    Value base = arith::AddIOp::create(b, start, loop.getInductionVar(), arith::IntegerOverflowFlags::nsw);
    for (int64_t i = 0; i < turns; ++i)
      addTile(base, i * turn);
    Reductions next =
        emitTiles(group, tiles, Reductions(loop.getRegionIterArgs().begin(), loop.getRegionIterArgs().end()));
    if (!partial.empty())
      scf::YieldOp::create(b, next);
    partial.assign(loop.getResults().begin(), loop.getResults().end());
  }
  rows.assign(turns, IRMapping());
  tiles.clear();
  for (int64_t first = whole; first < group.length; first += turn) {
    addTile(start, first);
    if (first + turn > group.length) {
      IRMapping *mapping = tiles.back().rows;
      tiles.back() = ragged(group, tiles.back().offset, -1);
      tiles.back().rows = mapping;
    }
  }
  return emitTiles(group, tiles, partial);
}

llvm::MaybeAlign GpuRows::alignment(const Access &access, int64_t width) {
  const int64_t bytes = std::min<int64_t>(16, width * bytesOf(access));
  if (auto operand = dyn_cast<BlockArgument>(access.memref))
    alignments[operand.getArgNumber()] = std::max(alignments[operand.getArgNumber()], bytes);
  return llvm::Align(bytes);
}

//===- Combining -----------------------------------------------------------------------------------------------------//

/// The value of the lane whose number differs by `distance` in bits.
Value GpuRows::shuffle(Value value, int64_t distance) {
  Type type = value.getType(), i32 = b.getI32Type(), i64 = b.getI64Type();
  auto exchange = [&](Value v) -> Value {
    return NVVM::ShflOp::create(b, v.getType(), members, v, constantI32(distance), constantI32(31),
                                NVVM::ShflKind::bfly, UnitAttr());
  };
  if (type.getIntOrFloatBitWidth() == 32)
    return exchange(value);
  Value bits = type.isF64() ? arith::BitcastOp::create(b, i64, value).getResult() : value;
  Value shift = arith::ConstantIntOp::create(b, 32, 64);
  Value low = exchange(arith::TruncIOp::create(b, i32, bits));
  Value high = exchange(arith::TruncIOp::create(b, i32, arith::ShRUIOp::create(b, bits, shift)));
  bits = arith::OrIOp::create(b, arith::ExtUIOp::create(b, i64, low),
                              arith::ShLIOp::create(b, arith::ExtUIOp::create(b, i64, high), shift));
  return type.isF64() ? arith::BitcastOp::create(b, type, bits).getResult() : bits;
}

Value GpuRows::butterfly(vector::CombiningKind kind, Value value) {
  for (int64_t distance = std::min(threads, warpSize) / 2; distance > 0; distance /= 2)
    value = vector::makeArithReduction(b, b.getLoc(), kind, value, shuffle(value, distance));
  return value;
}

GpuRows::Reductions GpuRows::combine(ArrayRef<vector::ReductionOp> ops, Reductions partial) {
  for (auto [op, value] : llvm::zip(ops, partial)) {
    vector::CombiningKind kind = vector::ReductionOp(op).getKind();
    value = butterfly(kind, combineLanes(kind, value));
  }
  return threads <= warpSize ? partial : combineWarps(ops, partial);
}

Value GpuRows::slot(LLVM::GlobalOp shared, Value index) {
  Type pointer = LLVM::LLVMPointerType::get(b.getContext(), 3);
  Value base = LLVM::AddressOfOp::create(b, pointer, shared.getSymName());
  return LLVM::GEPOp::create(b, pointer, cast<LLVM::LLVMArrayType>(shared.getType()).getElementType(), base,
                             ArrayRef<LLVM::GEPArg>{LLVM::GEPArg(index)});
}

/// One exchange for all reductions of a phase, each with an array of its own. The barrier before the stores keeps them
/// from overtaking the reads of the previous turn, where a loop comes here again.
GpuRows::Reductions GpuRows::combineWarps(ArrayRef<vector::ReductionOp> ops, Reductions partial) {
  int64_t warps = threads / warpSize;
  SmallVector<LLVM::GlobalOp> arrays;
  for (vector::ReductionOp op : ops) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(function);
    arrays.push_back(LLVM::GlobalOp::create(b, LLVM::LLVMArrayType::get(vector::ReductionOp(op).getType(), warps),
                                            /*isConstant=*/false, LLVM::Linkage::Internal,
                                            (kernel.getSymName() + ".shared" + Twine(sharedCount++)).str(), Attribute(),
                                            /*alignment=*/16, /*addrSpace=*/3));
  }
  Operation *around = b.getInsertionBlock()->getParentOp();
  if (isa<scf::ForOp>(around) || around->getParentOfType<scf::ForOp>())
    NVVM::Barrier0Op::create(b);
  Value first = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, lane, constantI32(0));
  auto branch = scf::IfOp::create(b, first, /*withElseRegion=*/false);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(branch.thenYield());
    for (auto [array, value] : llvm::zip(arrays, partial))
      LLVM::StoreOp::create(b, value, slot(array, warp));
  }
  NVVM::Barrier0Op::create(b);
  // Lanes past the last warp read warp 0's and drop it.
  Value exists = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, lane, constantI32(warps));
  Value index = arith::SelectOp::create(b, exists, lane, constantI32(0));
  for (auto [op, array, value] : llvm::zip(ops, arrays, partial)) {
    vector::CombiningKind kind = vector::ReductionOp(op).getKind();
    Value other = LLVM::LoadOp::create(b, value.getType(), slot(array, index));
    value = butterfly(kind, arith::SelectOp::create(b, exists, other, neutral(kind, value.getType())));
  }
  return partial;
}

void GpuRows::emitScalarStore(Operation *store) {
  Value first = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, thread, constantIndex(0));
  auto branch = scf::IfOp::create(b, first, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(branch.thenYield());
  RowLowering::emitScalarStore(store);
}

void GpuRows::synchronise() {
  if (warpRows)
    NVVM::SyncWarpOp::create(b, members);
  else
    NVVM::Barrier0Op::create(b);
}

} // namespace

FailureOr<func::FuncOp> lowerRowsToGpu(FuncOp kernel, OpBuilder &builder) {
  FailureOr<RowPhases> phases = RowPhases::plan(kernel);
  if (failed(phases))
    return failure();
  ImplicitLocOpBuilder b(kernel.getLoc(), builder);
  return GpuRows(kernel, *phases, b).emit();
}

} // namespace ft::kernel
