#include "compiler/Planning/SegmentLayout.h"

#include "compiler/Planning/ValuePlaces.h"
#include "dialects/Dist/Dist.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ft;

SegmentLayout::SegmentLayout(func::FuncOp s, const VariableLayout &v, OpBuilder &b, int64_t &version,
                             const PlanningOptions &options)
    : segment(s), variables(v), builder(b), nextVersion(version) {
  numberOperations();
  assignStorages();
  bindWrites();
  grantRequests(options);
  createBuffers();
  findStale();
  assignVersions();
}

const Place &SegmentLayout::place(Value value) const { return storages[storageOf.lookup(value)].place; }

int64_t SegmentLayout::aliasOf(Value result) const {
  auto it = aliases.find(result);
  return it == aliases.end() ? -1 : it->second;
}

void SegmentLayout::numberOperations() {
  for (auto [i, op] : llvm::enumerate(segment.getBody().front())) {
    indexOf[&op] = i;
    if (auto read = dyn_cast<model::ReadOp>(op))
      readsOf[variables.place(read.getVariable()).buffer].push_back(read);
  }
}

int64_t SegmentLayout::lastUse(Value value) const {
  int64_t last = -1;
  for (Operation *user : value.getUsers())
    last = std::max(last, indexOf.lookup(user));
  return last;
}

void SegmentLayout::assignStorages() {
  for (Operation &op : segment.getBody().front()) {
    if (auto read = dyn_cast<model::ReadOp>(op))
      assignRead(read);
    else if (auto view = dyn_cast<model::ViewOp>(op))
      assignView(view);
    else if (auto insert = dyn_cast<model::InsertOp>(op))
      addStorage(insert.getResult(), settled(insert.getBucket()).place, /*persistent=*/true);
    else if (auto slice = dyn_cast<dist::SliceOp>(op))
      assignSlice(slice);
    else if (auto assemble = dyn_cast<model::AssembleOp>(op))
      assignAssembled(assemble);
    else if (auto done = dyn_cast<dist::DoneOp>(op))
      assignExchanged(done);
    else if (auto dequantize = dyn_cast<model::DequantizeOp>(op))
      assignDequantized(dequantize);
    else if (auto stored = dyn_cast<model::StoredOp>(op))
      assignStored(stored);
    else if (auto transfer = dyn_cast<model::TransferOp>(op))
      assignTransfer(transfer);
    else if (!dist::isStart(&op))
      assignResults(&op);
  }
}

/// A segment may read the first rows of an input that another one reads whole.
void SegmentLayout::assignRead(model::ReadOp read) {
  Place place = variables.place(read.getVariable()), wanted = placeOfType(read.getValue());
  if (variables.quantized(read.getVariable())) // codes, which have another shape
    return addStorage(read.getValue(), place, /*persistent=*/true);
  place.rows = wanted.rows;
  place.columns = wanted.columns;
  addStorage(read.getValue(), place, /*persistent=*/true);
}

/// One matrix, which is all that the product reads: weights, what lies below them, and in the columns behind them what
/// lies beside each.
void SegmentLayout::assignDequantized(model::DequantizeOp op) {
  int64_t rows = 0, columns = placeOfType(op.getWeights().front()).columns, width = columns;
  for (OperandRange matrices : {op.getWeights(), op.getBelow()})
    for (Value matrix : matrices)
      rows += placeOfType(matrix).rows;
  for (Value matrix : op.getBeside())
    width += placeOfType(matrix).columns;
  const Place whole =
      scratch(placeName(op.getResults().front()), rows, width, placeOfType(op.getOperand(0)).elementType);
  SmallVector<int64_t> firstRow;
  int64_t row = 0, column = columns;
  for (auto [number, result] : llvm::enumerate(op.getResults())) {
    const Place own = placeOfType(result);
    const int64_t beside = int64_t(number) - int64_t(op.getWeights().size() + op.getBelow().size());
    if (beside >= 0) {
      addStorage(result, whole.slice(firstRow[op.getBesideOf()[beside]], own.rows, column, own.columns), true);
      column += own.columns;
      continue;
    }
    firstRow.push_back(row);
    addStorage(result, whole.slice(row, own.rows, 0, columns), true);
    row += own.rows;
  }
  tuples.emplace_back(op.getResults().begin(), op.getResults().end());
}

/// Parts of the variable's buffer.
void SegmentLayout::assignStored(model::StoredOp op) {
  StringRef variable = op.getW().getDefiningOp<model::ReadOp>().getVariable();
  addStorage(op.getCodes(), variables.place(variable), /*persistent=*/true);
  addStorage(op.getScales(), variables.scales(variable), /*persistent=*/true);
}

/// What comes back lies from the start where it ends: others read it there.
void SegmentLayout::assignTransfer(model::TransferOp op) {
  model::WriteOp write = writerOf(op.getResult());
  const std::optional<Place> home = homeOf(op.getResult());
  if (home && home->host == op.getToHost() && !(write && !variables.borderedWith(write.getVariable()).empty()) &&
      mayOverwrite(op, op.getResult(), *home, true))
    return addStorage(op.getResult(), *home, /*persistent=*/true);
  Place there = placeOfType(op.getResult());
  there.host = op.getToHost();
  addStorage(op.getResult(), there, /*persistent=*/false);
}

/// A part of the bucket's place.
void SegmentLayout::assignView(model::ViewOp view) {
  addStorage(view.getResult(), memberPlace(settled(view.getBucket()).place, view), /*persistent=*/true);
}

void SegmentLayout::assignSlice(dist::SliceOp slice) {
  auto mesh = SymbolTable::lookupNearestSymbolFrom<dist::MeshOp>(slice, slice.getMeshAttr());
  addStorage(slice.getResult(), sharePlace(settled(slice.getX()).place, mesh, dist::axesOf(slice.getAxes())),
             /*persistent=*/true);
}

void SegmentLayout::assignAssembled(model::AssembleOp assemble) {
  const std::optional<Place> home = homeOf(assemble.getBucket());
  addStorage(assemble.getBucket(), home.value_or(placeOfType(assemble.getBucket())), home.has_value());
  settled(assemble.getBucket());
}

/// What is reduced takes the place of what this rank had, where nobody needs that any more; what is gathered or
/// scattered goes to where it ends.
void SegmentLayout::assignExchanged(dist::DoneOp done) {
  Operation *start = done.getPending().getDefiningOp();
  for (auto [number, result] : llvm::enumerate(done.getResults())) {
    Value value = start->getOperand(number);
    if (!isa<dist::StartAllReduceOp>(start)) {
      const std::optional<Place> home = homeOf(result);
      const bool there = home && mayOverwrite(done, result, *home, true);
      addStorage(result, there ? *home : placeOfType(result), there);
      continue;
    }
    Storage &storage = storages[storageOf.lookup(value)];
    const bool dies = value.hasOneUse() && (storage.persistent ? mayOverwrite(done, result, storage.place, true)
                                                               : storage.chain.back() == value);
    if (!dies) {
      addStorage(result, placeOfType(result), /*persistent=*/false);
      continue;
    }
    storage.chain.push_back(result);
    storageOf[result] = storageOf.lookup(value);
  }
}

/// The storage of a value that others lie in: it gets its buffer, if it has none yet.
SegmentLayout::Storage &SegmentLayout::settled(Value value) {
  Storage &storage = storages[storageOf.lookup(value)];
  if (!storage.persistent) {
    const Place &p = storage.place;
    storage.place = scratch(placeName(value), p.rows, p.columns, p.elementType, p.host);
    storage.persistent = true;
  }
  return storage;
}

void SegmentLayout::addStorage(Value value, const Place &place, bool persistent) {
  storageOf[value] = storages.size();
  storages.push_back({{value}, persistent, -1, place});
}

/// One of several results of a product, which are to lie side by side.
static bool hasNeighbours(Value value) {
  auto product = value.getDefiningOp<model::LinearOp>();
  return product && product.getNumResults() > 1;
}

/// One of neighbours under a value with a border for adapters: the border would part it from the others.
static bool partsNeighbours(Value operand, Value result) {
  return hasNeighbours(operand) && llvm::any_of(result.getUsers(), [&](Operation *user) {
           auto linear = dyn_cast<model::LinearOp>(user);
           return linear && linear.getX() == result && !linear.getLowRank().empty();
         });
}

void SegmentLayout::assignResults(Operation *op) {
  SmallVector<std::pair<int64_t, int64_t>> pairs;
  if (auto inPlace = dyn_cast<model::InPlace>(op))
    inPlace.getInPlacePairs(pairs);
  // What takes the places of neighbours lies side by side as they do: the first results, which are one product's later.
  llvm::stable_sort(pairs, [&](const auto &a, const auto &b) {
    return hasNeighbours(op->getOperand(a.first)) > hasNeighbours(op->getOperand(b.first));
  });
  llvm::SmallDenseSet<int64_t> takenOperands;
  for (auto [operand, result] : pairs) {
    Value r = op->getResult(result);
    if (storageOf.contains(r) || takenOperands.contains(operand) || !tryInPlace(op, operand, r))
      continue;
    takenOperands.insert(operand);
    aliases[r] = operand;
  }
  for (Value result : op->getResults())
    if (!storageOf.contains(result)) {
      Place own = placeOfType(result);
      own.host = isa<model::CastOp>(op) && place(op->getOperand(0)).host;
      addStorage(result, own, /*persistent=*/false);
    }
}

bool SegmentLayout::tryInPlace(Operation *op, int64_t operand, Value result) {
  Value v = op->getOperand(operand);
  Storage &storage = storages[storageOf.lookup(v)];
  if (v.getType() != result.getType() || llvm::count(op->getOperands(), v) != 1 ||
      (!storage.persistent && storage.chain.back() != v) || partsNeighbours(v, result))
    return false;
  if (storage.persistent ? !mayOverwrite(op, result, storage.place, true) : lastUse(v) != indexOf.lookup(op))
    return false;
  storage.chain.push_back(result);
  storageOf[result] = storageOf.lookup(v);
  return true;
}

FlatSymbolRefAttr SegmentLayout::createBuffer(StringRef name, int64_t bytes, bool host) {
  std::string symbol = (segment.getSymName() + "." + Twine(bufferCount++) + (name.empty() ? "" : "." + name)).str();
  plan::BufferOp::create(builder, segment.getLoc(), symbol, host ? hostTransfers : "activations",
                         plan::BufferClass::Activation, bytes, IntegerAttr(), 0, plan::SharesAttr());
  return FlatSymbolRefAttr::get(builder.getContext(), symbol);
}

/// Rows start at multiples of 16 bytes, so that kernels can use whole vectors; short rows (statistics per head) stay
/// dense.
static int64_t pitchFor(int64_t rows, int64_t columns, int64_t bytes) {
  return rows == 1 || columns < 64 ? columns : llvm::alignTo(columns * bytes, 16) / bytes;
}

Place SegmentLayout::scratch(StringRef name, int64_t rows, int64_t columns, Type elementType, bool host) {
  Place p;
  p.host = host;
  p.elementType = elementType;
  p.rows = rows;
  p.columns = columns;
  p.pitch = pitchFor(rows, columns, p.elementBytes());
  p.buffer = createBuffer(name, rows * p.pitch * p.elementBytes(), host);
  return p;
}
