// dist-overlap: a collective runs beside the computation that stands between its start and its done.
//
// Gathers of weights start ahead of their user: at the start of the segment, or, with a limit, when the user that is
// `inFlight` gathers ahead begins. Reductions start where their value is made (dist-propagate put them there); their
// done, with the little that hangs on it (adding to what was accumulated, writing the variable), goes to the end of the
// segment, or before the start of the reduction that is `inFlight` later. A done that computation waits for goes right
// before its first user. The limit bounds memory: whole weights and whole gradients live as long as their collectives.
// A norm of what was reduced whole is computed there too (NormAhead.h).
// The scheduler may move them again, by cost; it finds legal positions here.
#include "compiler/Sharding/Overlap.h"
#include "compiler/Sharding/MoveUsers.h"
#include "compiler/Sharding/NormAhead.h"

#include "dialects/Dist/Dist.h"
#include "dialects/Ft/Ft.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace ft;
using namespace ft::dist;
using namespace ft::model;

namespace {

Operation *doneOf(Operation *start) { return *start->getResult(0).user_begin(); }

Operation *firstUser(Operation *op) {
  Operation *first = nullptr;
  for (Operation *user : op->getUsers())
    if (!first || user->isBeforeInBlock(first))
      first = user;
  return first;
}

/// Moves `start` before `target`, with the reads that it takes; right behind an operand that is made later.
void hoist(Operation *start, Operation *target) {
  for (Value operand : start->getOperands()) {
    Operation *def = operand.getDefiningOp();
    if (!def || def->isBeforeInBlock(target))
      continue;
    if (isa<ReadOp>(def) && def != target)
      def->moveBefore(target);
    else
      target = def->getNextNode();
  }
  if (target->isBeforeInBlock(start))
    start->moveBefore(target);
}

void overlapGathers(Block &block, int64_t inFlight) {
  SmallVector<std::pair<Operation *, SmallVector<Operation *>>> groups; // user, starts
  for (auto start : block.getOps<StartAllGatherOp>()) {
    Operation *user = firstUser(doneOf(start));
    if (!user)
      continue;
    if (groups.empty() || groups.back().first != user)
      groups.push_back({user, {}});
    groups.back().second.push_back(start);
  }
  Operation *front = &block.front();
  for (int64_t i = 0, count = groups.size(); i < count; ++i)
    for (Operation *start : groups[i].second) {
      doneOf(start)->moveBefore(groups[i].first);
      hoist(start, inFlight > 0 && i >= inFlight ? groups[i - inFlight].first : front);
    }
}

/// What hangs on a reduction and computes next to nothing: it may wait as long as the reduction.
bool isTail(Operation *op) {
  return isa<AccumulateOp, AddOp, AddScalarOp, CheckFiniteOp, CastOp, WriteOp, SliceOp>(op);
}

void overlapReductions(Block &block, int64_t inFlight) {
  SmallVector<Operation *> starts;
  for (Operation &op : block)
    if (isa<StartAllReduceOp, StartReduceScatterOp>(op))
      starts.push_back(&op);
  for (int64_t i = 0, count = starts.size(); i < count; ++i) {
    Operation *done = doneOf(starts[i]);
    SmallVector<Operation *> tail = dependents(done);
    if (!llvm::all_of(tail, isTail)) {
      done->moveBefore(firstUser(done));
      continue;
    }
    Operation *end = inFlight > 0 && i + inFlight < count ? starts[i + inFlight] : block.getTerminator();
    if (!done->isBeforeInBlock(end))
      continue;
    llvm::erase_if(tail, [&](Operation *op) { return !op->isBeforeInBlock(end); });
    done->moveBefore(end);
    for (Operation *op : tail)
      op->moveBefore(end);
  }
}

} // namespace

void ft::overlap(ModuleOp module, int64_t inFlight) {
  for (auto segment : module.getOps<func::FuncOp>()) {
    Block &block = segment.getBody().front();
    overlapGathers(block, inFlight);
    overlapReductions(block, inFlight);
  }
  computeNormAhead(module);
}
