#include "compiler/Planning/SegmentLayout.h"

#include "compiler/Planning/PlaceRequests.h"
#include "dialects/Dist/Dist.h"
#include "runtime/Plan/Kinds.h"

#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ft;

static Place placeOfType(Value v) {
  auto type = cast<RankedTensorType>(v.getType());
  Place p;
  p.elementType = type.getElementType();
  p.columns = type.getRank() ? type.getShape().back() : 1;
  p.rows = type.getNumElements() / p.columns;
  return p;
}

/// The place in the model that a value comes from ("layers.3.mlp.gate_up_proj"), else its operation's name.
static StringRef placeName(Value value) {
  Operation *producer = value.getDefiningOp();
  if (auto name = dyn_cast<NameLoc>(producer->getLoc()))
    return name.getName();
  if (auto fused = dyn_cast<FusedLoc>(producer->getLoc()))
    for (Location part : fused.getLocations())
      if (auto name = dyn_cast<NameLoc>(part))
        return name.getName();
  return producer->getName().stripDialect();
}

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

static model::WriteOp writerOf(Value value) {
  for (Operation *user : value.getUsers())
    if (auto write = dyn_cast<model::WriteOp>(user))
      return write;
  return nullptr;
}

//===-- in place -------------------------------------------------------------------------------------------------===//

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

/// Where the whole content of a value ends: in a variable, maybe behind an exchange in place.
std::optional<Place> SegmentLayout::homeOf(Value value) const {
  if (value.hasOneUse() && dist::isStart(*value.user_begin()))
    return homeBehind(*value.user_begin(), value.use_begin()->getOperandNumber());
  if (model::WriteOp write = writerOf(value))
    return variables.place(write.getVariable());
  return std::nullopt;
}

/// Where an operand of an exchange lies if that is done in place of where its result ends.
std::optional<Place> SegmentLayout::homeBehind(Operation *start, unsigned operand) const {
  Value result = (*start->getResult(0).user_begin())->getResult(operand);
  std::optional<Place> home = homeOf(result);
  if (!home || isa<dist::StartAllReduceOp>(start))
    return home;
  if (auto gather = dyn_cast<dist::StartAllGatherOp>(start)) {
    auto mesh = SymbolTable::lookupNearestSymbolFrom<dist::MeshOp>(gather, gather.getMeshAttr());
    return sharePlace(*home, mesh, dist::axesOf(gather.getAxes()));
  }
  model::WriteOp write = writerOf(result);
  return write ? variables.wholeAround(write.getVariable()) : std::nullopt;
}

/// True if `value` ends at `place`: in a variable there, or assembled into one.
bool SegmentLayout::endsAt(Value value, const Place &place) const {
  if (homeOf(value) == place)
    return true;
  for (OpOperand &use : value.getUses()) {
    if (auto write = dyn_cast<model::WriteOp>(use.getOwner()); write && variables.place(write.getVariable()) == place)
      return true;
    auto assemble = dyn_cast<model::AssembleOp>(use.getOwner());
    if (!assemble)
      continue;
    const auto bucket = storageOf.find(assemble.getBucket());
    const std::optional<Place> home =
        bucket == storageOf.end() ? homeOf(assemble.getBucket()) : storages[bucket->second].place;
    if (home && memberPlace(*home, assemble.getOffsets()[use.getOperandNumber()], value.getType()) == place)
      return true;
  }
  return false;
}

/// On some rank: a share may lie anywhere in its buffer.
static bool overlap(const Place &a, const Place &b) {
  auto end = [](const Place &p) { return p.offsetBytes + p.rows * p.pitch * p.elementBytes(); };
  return a.buffer == b.buffer &&
         (!a.rankPitch.empty() || !b.rankPitch.empty() || (a.offsetBytes < end(b) && b.offsetBytes < end(a)));
}

/// True if `result` of `op` ends at `place` and nothing reads the old content there behind `op` (or, unless `atOp`, in
/// `op` itself).
bool SegmentLayout::mayOverwrite(Operation *op, Value result, const Place &place, bool atOp) const {
  if (!endsAt(result, place))
    return false;
  const int64_t limit = indexOf.lookup(op) + (atOp ? 1 : 0);
  const auto reads = readsOf.find(place.buffer);
  if (reads == readsOf.end())
    return true;
  for (model::ReadOp read : reads->second) {
    const Place &whole = variables.place(read.getVariable());
    if (!overlap(whole, place))
      continue;
    for (Operation *user : read->getUsers()) {
      auto view = dyn_cast<model::ViewOp>(user);
      if (view && !overlap(memberPlace(whole, view), place))
        continue;
      if ((isa<model::ViewOp, dist::SliceOp>(user) ? lastUse(user->getResult(0)) : indexOf.lookup(user)) >= limit)
        return false;
    }
  }
  return true;
}

//===-- variables ------------------------------------------------------------------------------------------------===//

/// Has `value` computed at `target`, if it may be. True where it is there.
bool SegmentLayout::bind(Value value, const Place &target) {
  Storage &storage = storages[storageOf.lookup(value)];
  if (storage.persistent && storage.place == target)
    return true;
  Operation *first = storage.chain.front().getDefiningOp();
  if (storage.persistent || storage.chain.back() != value || target.host != storage.place.host ||
      target.elementType != storage.place.elementType ||
      target.rows * target.columns != storage.place.rows * storage.place.columns ||
      !mayOverwrite(first, value, target, false))
    return false;
  storage.persistent = true;
  storage.place = target;
  return true;
}

void SegmentLayout::bindWrites() {
  for (auto write : segment.getOps<model::WriteOp>()) {
    const Value value = write.getValue();
    Storage &storage = storages[storageOf.lookup(value)];
    // A border is refreshed from what is cast: the cast is nowhere but there.
    if (value.getDefiningOp<model::CastOp>() && value.hasOneUse() && !storage.persistent &&
        !variables.borderedWith(write.getVariable()).empty()) {
      storage.persistent = true;
      storage.place = variables.place(write.getVariable());
    } else if (!bind(value, variables.place(write.getVariable()))) {
      copies.insert(write);
    }
  }
  for (auto assemble : segment.getOps<model::AssembleOp>())
    for (auto [member, offset] : llvm::zip_equal(assemble.getMembers(), assemble.getOffsets()))
      bind(member, memberPlace(place(assemble.getBucket()), offset, member.getType()));
  for (auto gather : segment.getOps<dist::StartAllGatherOp>())
    for (OpOperand &share : gather->getOpOperands())
      if (const std::optional<Place> home = homeBehind(gather, share.getOperandNumber()))
        bind(share.get(), *home);
}

//===-- requests -------------------------------------------------------------------------------------------------===//

void SegmentLayout::grantRequests(const PlanningOptions &options) {
  PlaceRequests requests{*this, options};
  for (Operation &op : segment.getBody().front())
    if (auto placement = dyn_cast<model::Placement>(op))
      placement.requestPlaces(requests);
  auto storage = [&](Value v) -> Storage & { return storages[storageOf.lookup(v)]; };
  // Also of a value whose place another takes behind it: a product made again lies as its original, which nothing
  // overwrites, and so has its bits.
  for (auto [value, columns] : requests.borders)
    if (!storage(value).persistent && (storage(value).border == 0 || storage(value).chain.back() == value))
      storage(value).border = columns;
  for (auto [value, like] : requests.alike)
    if (!storage(value).persistent)
      storage(value).border = storage(like).border;
  // A value in place of one of a group is of the group.
  auto groupOf = [&](Value v) {
    const auto it = requests.groupOf.find(storage(v).chain.front());
    return it == requests.groupOf.end() ? std::pair<int64_t, size_t>(-1, 0) : it->second;
  };
  for (ValueRange values : requests.bundles)
    for (size_t begin = 0, end; begin < values.size(); begin = end) {
      const auto [group, size] = groupOf(values[begin]);
      for (end = begin + 1; end < values.size() && groupOf(values[end]).first == group; ++end)
        ;
      if (group < 0 || end - begin == size)
        bundle(values.slice(begin, end - begin));
    }
  for (const auto &[values, onePitch] : requests.ifFree)
    onePitch ? bundleAtOnePitch(values) : bundle(values);
  level(requests.levels);
}

std::optional<Place> SegmentLayout::border(Value value) const {
  const Storage &storage = storages[storageOf.lookup(value)];
  if (storage.border == 0)
    return std::nullopt;
  Place p = storage.place;
  p.offsetBytes += p.columns * p.elementBytes();
  p.columns = storage.border;
  return p;
}

/// True if `value` can lie beside others of so many rows and that type.
bool SegmentLayout::fits(Value value, ArrayRef<Value> others, const Place &like) const {
  const Storage &storage = storages[storageOf.lookup(value)];
  auto sharesStorage = [&](Value other) { return storageOf.lookup(other) == storageOf.lookup(value); };
  return !storage.persistent && storage.bundle < 0 && storage.border == 0 && llvm::none_of(others, sharesStorage) &&
         storage.place.rows == like.rows && storage.place.elementType == like.elementType &&
         storage.place.columns * elementBytes(getElementTypeOrSelf(value)) % 16 == 0;
}

/// Where the first values took the places of all that a bundle holds, those that fit come behind them, if they are
/// little beside it: it lives as long as its first member. Returns how many values lie there; 0: the first do not.
size_t SegmentLayout::extendBundle(ValueRange values) {
  constexpr int64_t littleShare = 64;
  const int64_t number = storages[storageOf.lookup(values[0])].bundle;
  if (number < 0 || bundles[number].second != 0 || bundles[number].first.size() > values.size())
    return 0;
  SmallVector<int64_t> &members = bundles[number].first;
  int64_t columns = 0, more = 0;
  auto isWritten = [&](Value value) { // with others, which have its version
    return llvm::any_of(tuples, [&](ArrayRef<Value> tuple) { return llvm::is_contained(tuple, value); });
  };
  for (auto [member, value] : llvm::zip(members, values)) {
    if (storageOf.lookup(value) != member || isWritten(value))
      return 0;
    columns += storages[member].place.columns;
  }
  SmallVector<Value> tuple = llvm::to_vector(values.take_front(members.size()));
  for (Value value : values.drop_front(members.size())) {
    more += storages[storageOf.lookup(value)].place.columns;
    if (!fits(value, tuple, placeOfType(values[0])) || more * littleShare > columns)
      break;
    tuple.push_back(value);
    storages[storageOf.lookup(value)].bundle = number;
    members.push_back(storageOf.lookup(value));
  }
  if (tuple.size() > 1)
    tuples.push_back(tuple);
  return tuple.size();
}

/// Of these a buffer, with so many columns behind each row.
void SegmentLayout::addBundle(ArrayRef<Value> values, int64_t spare) {
  SmallVector<int64_t> members = llvm::map_to_vector(values, [&](Value v) { return storageOf.lookup(v); });
  for (int64_t m : members)
    storages[m].bundle = bundles.size();
  bundles.push_back({members, spare});
  if (values.size() > 1)
    tuples.push_back(llvm::to_vector(values));
}

/// Neighbours that fit share a buffer; a value that lies elsewhere already parts those before it from those behind it.
void SegmentLayout::bundle(ValueRange values) {
  values = values.drop_front(extendBundle(values));
  SmallVector<Value> tuple;
  auto close = [&] {
    if (tuple.size() > 1)
      addBundle(tuple, 0);
    tuple.clear();
  };
  for (Value v : values) {
    if (fits(v, tuple, placeOfType(values[0])))
      tuple.push_back(v);
    else
      close();
  }
  close();
}

int64_t SegmentLayout::columnsOf(int64_t number) const {
  const auto &[members, spare] = bundles[number];
  int64_t columns = spare;
  for (int64_t m : members)
    columns += storages[m].place.columns;
  return columns;
}

/// Example: q and k of normalised heads beside v, which a product of q, k and v has written. q and k lie in one buffer
/// that has v's columns behind each row; where only q's heads had to go elsewhere, q lies in a buffer that has k's as
/// well. A value that is wider than what others lie in gets a buffer of its own, and level() those their columns.
void SegmentLayout::bundleAtOnePitch(ValueRange values) {
  int64_t pitch = 0, widest = 0;
  for (Value v : values) {
    if (const int64_t number = storages[storageOf.lookup(v)].bundle; number >= 0)
      pitch = std::max(pitch, columnsOf(number));
    widest = std::max(widest, placeOfType(v).columns);
  }
  if (pitch == 0)
    return bundle(values);
  pitch = std::max(pitch, widest);
  SmallVector<Value> tuple;
  int64_t columns = 0;
  auto close = [&] {
    if (!tuple.empty())
      addBundle(tuple, pitch - columns);
    tuple.clear();
    columns = 0;
  };
  for (Value v : values) {
    const int64_t own = placeOfType(v).columns;
    if (!fits(v, tuple, placeOfType(values[0]))) {
      close();
      continue;
    }
    if (columns + own > pitch)
      close();
    tuple.push_back(v);
    columns += own;
  }
  close();
}

/// Example: moments of q's weights are in codes, those of k's and v's, which are smaller, are not. So they lie in two
/// buckets, and are two products. [k v] gets columns behind each row until its pitch is q's, or q's that of [k v].
void SegmentLayout::level(ArrayRef<SmallVector<Value>> groups) {
  for (bool even = false; !even;) { // a bundle may be in several groups, of forward and of backward
    even = true;
    for (ArrayRef<Value> group : groups) {
      llvm::SmallSetVector<int64_t, 6> numbers;
      for (Value v : group)
        if (const int64_t number = storages[storageOf.lookup(v)].bundle; number >= 0)
          numbers.insert(number);
      int64_t pitch = 0;
      for (int64_t number : numbers)
        pitch = std::max(pitch, columnsOf(number));
      for (int64_t number : numbers) {
        const int64_t missing = pitch - columnsOf(number);
        bundles[number].second += missing;
        even = even && missing == 0;
      }
    }
  }
}

//===-- buffers and versions -------------------------------------------------------------------------------------===//

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

void SegmentLayout::createBuffers() {
  for (const auto &[number, made] : llvm::enumerate(bundles)) {
    const SmallVector<int64_t> &members = made.first;
    const int64_t columns = columnsOf(number);
    const Storage &first = storages[members[0]];
    Place whole = scratch(placeName(first.chain.front()), first.place.rows, columns, first.place.elementType);
    int64_t column = 0;
    for (int64_t m : members) {
      int64_t width = storages[m].place.columns;
      storages[m].place = whole.slice(0, whole.rows, column, width);
      column += width;
    }
  }
  for (Storage &storage : storages)
    if (!storage.place.buffer) {
      int64_t columns = storage.place.columns;
      storage.place = scratch(placeName(storage.chain.front()), storage.place.rows, columns + storage.border,
                              storage.place.elementType, storage.place.host);
      storage.place.columns = columns;
    }
}

/// What @finish makes anew of buckets, in the order of the program, and the gradients that it makes it of, where they
/// have left and the next micro-batch's are to come; nothing where there is no @finish.
static llvm::SmallSetVector<StringAttr, 8> endedByFinish(func::FuncOp segment) {
  llvm::SmallSetVector<StringAttr, 8> ended;
  auto module = segment->getParentOfType<ModuleOp>();
  auto finish = module.lookupSymbol<func::FuncOp>(plan::segmentName(plan::Segment::FINISH));
  if (!finish)
    return ended;
  SymbolTable symbols(module);
  for (auto write : finish.getOps<model::WriteOp>())
    if (symbols.lookup<model::VariableOp>(write.getVariable()).getBucket())
      ended.insert(write.getVariableAttr().getAttr());
  for (auto read : finish.getOps<model::ReadOp>())
    if (auto variable = symbols.lookup<model::VariableOp>(read.getVariable());
        variable.getHost() && variable.getRole() == model::Role::Gradient)
      ended.insert(read.getVariableAttr().getAttr());
  return ended;
}

/// What a variable holds between @update and @finish, which makes it anew or needs it last. Versions mean nothing but
/// equality: this is above those that are counted, and below that of workspaces.
static int64_t betweenBoth(int64_t version) { return version + (1 << 29); }

/// Weights that @update gathers, or that come back from the host; and what is @finish's in its place.
void SegmentLayout::findStale() {
  if (plan::segmentKind(segment.getSymName()) != plan::Segment::UPDATE)
    return;
  for (StringAttr variable : endedByFinish(segment)) {
    const int64_t version = variables.version(variable.getValue());
    stale.push_back({variables.place(variable.getValue()).buffer, version, betweenBoth(version)});
  }
  auto isMadeAnew = [](Value value) {
    auto done = value.getDefiningOp<dist::DoneOp>();
    return value.getDefiningOp<model::TransferOp>() ||
           (done && isa<dist::StartAllGatherOp>(done.getPending().getDefiningOp()));
  };
  for (auto write : segment.getOps<model::WriteOp>())
    if (isMadeAnew(write.getValue()))
      stale.push_back(
          {variables.place(write.getVariable()).buffer, variables.version(write.getVariable()), nextVersion++});
}

/// What a variable holds has the variable's version, whoever reads or writes it; members have their bucket's.
void SegmentLayout::assignVersions() {
  const auto unfinished = plan::finishes(plan::segmentKind(segment.getSymName()))
                              ? endedByFinish(segment)
                              : llvm::SmallSetVector<StringAttr, 8>();
  auto versionBefore = [&](FlatSymbolRefAttr symbol) {
    const StringRef variable = symbol.getValue();
    if (unfinished.contains(symbol.getAttr()))
      return betweenBoth(variables.version(variable));
    for (const Rename &rename : stale)
      if (rename.buffer == variables.place(variable).buffer && rename.from == variables.version(variable))
        return rename.to;
    return variables.version(variable);
  };
  // The write to the variable that a value lies in, if it is written to several.
  auto writerThere = [&](Value v) -> model::WriteOp {
    for (Operation *user : v.getUsers())
      if (auto write = dyn_cast<model::WriteOp>(user); write && place(v) == variables.place(write.getVariable()))
        return write;
    return nullptr;
  };
  for (ArrayRef<Value> tuple : tuples) {
    int64_t version = nextVersion++;
    for (Value v : tuple)
      versions[v] = version;
  }
  for (Operation &op : segment.getBody().front())
    for (Value v : op.getResults())
      if (auto read = dyn_cast<model::ReadOp>(op))
        versions[v] = versionBefore(read.getVariableAttr());
      else if (isa<model::ViewOp, model::InsertOp, model::StoredOp, dist::SliceOp>(op))
        versions[v] = versions.lookup(op.getOperand(0));
      else if (dist::isStart(&op))
        continue;
      else if (model::WriteOp write = writerThere(v))
        versions[v] = variables.version(write.getVariable());
      else if (!versions.contains(v))
        versions[v] = nextVersion++;
  for (auto assemble : segment.getOps<model::AssembleOp>())
    for (auto [member, offset] : llvm::zip_equal(assemble.getMembers(), assemble.getOffsets()))
      if (place(member) == memberPlace(place(assemble.getBucket()), offset, member.getType()))
        versions[member] = versions.lookup(assemble.getBucket());
}
