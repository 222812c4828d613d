// Which values are computed where they end: in a variable, in a bucket's member, in the place of an exchange.
#include "compiler/Planning/SegmentLayout.h"
#include "compiler/Planning/ValuePlaces.h"
#include "dialects/Dist/Dist.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace ft;

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
