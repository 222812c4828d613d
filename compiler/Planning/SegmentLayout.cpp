#include "compiler/Planning/SegmentLayout.h"

#include "compiler/Fusion/BuildRowProgram.h"

#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/TypeSwitch.h"
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

SegmentLayout::SegmentLayout(func::FuncOp s, const VariableLayout &v, OpBuilder &b, int64_t &version,
                             bool separateGradients)
    : segment(s), variables(v), builder(b), nextVersion(version), separateAttentionGradients(separateGradients) {
  numberOperations();
  assignStorages();
  bindWrites();
  formBorders();
  formBundles();
  createBuffers();
  assignVersions();
}

const Place &SegmentLayout::place(Value value) const { return storages[storageOf.lookup(value)].place; }

int64_t SegmentLayout::aliasOf(Value result) const {
  auto it = aliases.find(result);
  return it == aliases.end() ? -1 : it->second;
}

void SegmentLayout::numberOperations() {
  for (auto [i, op] : llvm::enumerate(segment.getBody().front()))
    indexOf[&op] = i;
}

int64_t SegmentLayout::lastUse(Value value) const {
  int64_t last = -1;
  for (Operation *user : value.getUsers())
    last = std::max(last, indexOf.lookup(user));
  return last;
}

//===-- in place -------------------------------------------------------------------------------------------------===//

/// Pairs (operand, result) that may share memory.
static SmallVector<std::pair<int64_t, int64_t>> inPlacePairs(Operation *op) {
  SmallVector<std::pair<int64_t, int64_t>> pairs;
  llvm::TypeSwitch<Operation *>(op)
      .Case([&](kernel::FusedOp fused) { pairs = inPlaceCandidates(fused); })
      .Case<model::LinearBwdWeightOp, model::EmbeddingGradOp>([&](auto accumulating) {
        if (accumulating.getAccumulate())
          pairs.push_back({op->getNumOperands() - 1, 0});
      })
      .Case([&](model::HeadLossGradOp head) {
        if (head.getAccumulate())
          pairs.push_back({op->getNumOperands() - 1, 2});
      })
      .Case([&](model::AdamwOp) {
        pairs = {{0, 0}, {2, 1}, {3, 2}};
      })
      .Case([&](model::SgdOp sgd) {
        pairs.push_back({0, 0});
        if (sgd.getMomentumBuffer())
          pairs.push_back({2, 1});
      })
      .Case([&](model::AddScalarOp) {
        pairs.push_back({0, 0});
      })
      .Case([&](model::CheckFiniteOp) {
        pairs.push_back({1, 0});
      });
  return pairs;
}

void SegmentLayout::assignStorages() {
  for (Operation &op : segment.getBody().front()) {
    if (auto read = dyn_cast<model::ReadOp>(op)) {
      // A segment may read the first rows of an input that another one reads whole.
      StringAttr name = read.getVariableAttr().getAttr();
      Place place = variables.place(name), wanted = placeOfType(read.getValue());
      place.rows = wanted.rows;
      place.columns = wanted.columns;
      storageOf[read.getValue()] = storages.size();
      storages.push_back({{read.getValue()}, name, -1, place});
      continue;
    }
    assignResults(&op);
  }
}

void SegmentLayout::assignResults(Operation *op) {
  llvm::SmallDenseSet<int64_t> takenOperands;
  for (auto [operand, result] : inPlacePairs(op)) {
    Value r = op->getResult(result);
    if (storageOf.contains(r) || takenOperands.contains(operand) || !tryInPlace(op, operand, r))
      continue;
    takenOperands.insert(operand);
    aliases[r] = operand;
  }
  for (Value result : op->getResults())
    if (!storageOf.contains(result)) {
      storageOf[result] = storages.size();
      storages.push_back({{result}, {}, -1, placeOfType(result)});
    }
}

bool SegmentLayout::tryInPlace(Operation *op, int64_t operand, Value result) {
  Value v = op->getOperand(operand);
  Storage &storage = storages[storageOf.lookup(v)];
  if (v.getType() != result.getType() || llvm::count(op->getOperands(), v) != 1 ||
      (!storage.variable && storage.chain.back() != v))
    return false;
  if (storage.variable ? !mayOverwriteVariable(op, result, storage.variable, true) : lastUse(v) != indexOf.lookup(op))
    return false;
  storage.chain.push_back(result);
  storageOf[result] = storageOf.lookup(v);
  return true;
}

/// True if `result` of `op` ends in a write of `variable` and nothing reads the old content behind `op` (or, unless
/// `atOp`, in `op` itself).
bool SegmentLayout::mayOverwriteVariable(Operation *op, Value result, StringAttr variable, bool atOp) const {
  bool written = llvm::any_of(result.getUsers(), [&](Operation *user) {
    auto write = dyn_cast<model::WriteOp>(user);
    return write && write.getVariableAttr().getAttr() == variable;
  });
  if (!written)
    return false;
  int64_t limit = indexOf.lookup(op) + (atOp ? 1 : 0);
  for (auto read : func::FuncOp(segment).getOps<model::ReadOp>())
    if (read.getVariableAttr().getAttr() == variable && lastUse(read.getValue()) >= limit)
      return false;
  return true;
}

//===-- variables ------------------------------------------------------------------------------------------------===//

void SegmentLayout::bindWrites() {
  for (auto write : segment.getOps<model::WriteOp>()) {
    StringAttr variable = write.getVariableAttr().getAttr();
    Value x = write.getValue();
    int64_t index = storageOf.lookup(x);
    Storage &storage = storages[index];
    if (storage.variable == variable)
      continue;
    const Place &target = variables.place(variable);
    Operation *first = storage.chain.front().getDefiningOp();
    if (storage.variable || storage.chain.back() != x || target.elementType != storage.place.elementType ||
        target.rows * target.columns != storage.place.rows * storage.place.columns ||
        !mayOverwriteVariable(first, x, variable, false)) {
      copies.insert(write);
      continue;
    }
    storage.variable = variable;
    storage.place = target;
  }
}

//===-- borders --------------------------------------------------------------------------------------------------===//

/// Columns of the border that the linear's weights share with its adapters, 0 where there is none.
static int64_t borderColumns(model::LinearOp linear, const SegmentLayout &values) {
  if (linear.getLowRank().empty())
    return 0;
  const Place &weight = values.place(linear.getWeights()[0]), &up = values.place(linear.getLowRankWeights()[0]);
  return weight.buffer == up.buffer ? weight.pitch - weight.columns : 0;
}

void SegmentLayout::formBorders() {
  for (auto linear : segment.getOps<model::LinearOp>()) {
    Storage &input = storages[storageOf.lookup(linear.getX())];
    if (!input.variable && input.chain.back() == linear.getX())
      input.border = borderColumns(linear, *this);
  }
  // The library takes one token pitch for the output and its gradient.
  for (auto attention : segment.getOps<model::AttentionBwdOp>()) {
    Storage &gradient = storages[storageOf.lookup(attention.getDO())];
    if (!gradient.variable)
      gradient.border = storages[storageOf.lookup(attention.getO())].border;
  }
}

std::optional<Place> SegmentLayout::border(model::LinearOp linear) const {
  const Storage &input = storages[storageOf.lookup(linear.getX())];
  if (borderColumns(linear, *this) == 0 || input.border == 0)
    return std::nullopt;
  Place p = input.place;
  p.offsetBytes += p.columns * p.elementBytes();
  p.columns = input.border;
  return p;
}

//===-- bundles --------------------------------------------------------------------------------------------------===//

SmallVector<OperandRun> SegmentLayout::weightRuns(ValueRange weights) const {
  SmallVector<OperandRun> runs;
  for (size_t i = 0; i < weights.size(); ++i)
    if (i > 0 && place(weights[i - 1]).isAbove(place(weights[i])))
      runs.back().end = i + 1;
    else
      runs.push_back({i, i + 1});
  return runs;
}

/// The gradients of a run shall lie side by side. Those of q, k and v stay among themselves where the library wants
/// them at the pitch of q, k and v.
void SegmentLayout::requestBundles(model::LinearBwdInputOp backward, OperandRun run) {
  ValueRange grads = backward.getGrads().slice(run.begin, run.end - run.begin);
  size_t apart = !separateAttentionGradients ? 0 : llvm::count_if(grads, [&](Value v) {
    return storages[storageOf.lookup(v)].chain.front().getDefiningOp<model::AttentionBwdOp>();
  });
  requestBundle(grads.take_front(apart));
  requestBundle(grads.drop_front(apart));
}

void SegmentLayout::formBundles() {
  for (auto linear : segment.getOps<model::LinearOp>())
    for (OperandRun run : weightRuns(linear.getWeights()))
      requestBundle(linear.getResults().slice(run.begin, run.end - run.begin));
  for (auto backward : segment.getOps<model::LinearBwdInputOp>())
    for (OperandRun run : weightRuns(backward.getWeights()))
      requestBundles(backward, run);
  // The library writes dq, dk and dv into one buffer. Last, because a product that reads them decides the versions;
  // below the first adapter there is none.
  for (auto attention : segment.getOps<model::AttentionBwdOp>())
    requestBundle(attention->getResults());
}

/// Neighbours that fit share a buffer; a value that lies elsewhere already parts those before it from those behind it.
void SegmentLayout::requestBundle(ValueRange values) {
  SmallVector<Value> tuple;
  auto close = [&] {
    if (tuple.size() > 1) {
      SmallVector<int64_t> members = llvm::map_to_vector(tuple, [&](Value v) { return storageOf.lookup(v); });
      for (int64_t m : members)
        storages[m].bundle = bundles.size();
      bundles.push_back(members);
      tuples.push_back(tuple);
    }
    tuple.clear();
  };
  for (Value v : values) {
    const Storage &storage = storages[storageOf.lookup(v)];
    auto sharesStorage = [&](Value other) { return storageOf.lookup(other) == storageOf.lookup(v); };
    bool fits = !storage.variable && storage.bundle < 0 && storage.border == 0 && llvm::none_of(tuple, sharesStorage) &&
                storage.place.rows == placeOfType(values[0]).rows &&
                storage.place.elementType == placeOfType(values[0]).elementType &&
                storage.place.columns * elementBytes(getElementTypeOrSelf(v)) % 16 == 0;
    if (fits)
      tuple.push_back(v);
    else
      close();
  }
  close();
}

//===-- buffers and versions -------------------------------------------------------------------------------------===//

FlatSymbolRefAttr SegmentLayout::createBuffer(StringRef name, int64_t bytes) {
  std::string symbol = (segment.getSymName() + "." + Twine(bufferCount++) + (name.empty() ? "" : "." + name)).str();
  plan::BufferOp::create(builder, segment.getLoc(), symbol, "activations", plan::BufferClass::Activation, bytes,
                         IntegerAttr(), 0);
  return FlatSymbolRefAttr::get(builder.getContext(), symbol);
}

/// Rows start at multiples of 16 bytes, so that kernels can use whole vectors; short rows (statistics per head) stay
/// dense.
static int64_t pitchFor(int64_t rows, int64_t columns, int64_t bytes) {
  return rows == 1 || columns < 64 ? columns : llvm::alignTo(columns * bytes, 16) / bytes;
}

Place SegmentLayout::scratch(StringRef name, int64_t rows, int64_t columns, Type elementType) {
  Place p;
  p.elementType = elementType;
  p.rows = rows;
  p.columns = columns;
  p.pitch = pitchFor(rows, columns, p.elementBytes());
  p.buffer = createBuffer(name, rows * p.pitch * p.elementBytes());
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

void SegmentLayout::createBuffers() {
  for (ArrayRef<int64_t> members : bundles) {
    int64_t columns = 0;
    for (int64_t m : members)
      columns += storages[m].place.columns;
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
                              storage.place.elementType);
      storage.place.columns = columns;
    }
}

void SegmentLayout::assignVersions() {
  for (ArrayRef<Value> tuple : tuples) {
    int64_t version = nextVersion++;
    for (Value v : tuple)
      versions[v] = version;
  }
  for (Storage &storage : storages)
    for (Value v : storage.chain)
      if (storage.variable)
        versions[v] = variables.version(storage.place.buffer);
      else if (!versions.contains(v))
        versions[v] = nextVersion++;
}
