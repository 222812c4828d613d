// Buckets and the optimizer step: one launch updates a bucket with its moments and working copies.
//
// With working copies, @update says of each bucket
//
//   %p1, %m1, %v1 = ft.adamw %p, %g, %m, %v, ..     one launch over [param | grad | exp_avg | exp_avg_sq | copy] of it,
//                                                   and of the buckets that lie behind it (BucketRuns.h)
//   %c = ft.cast %p1                                nothing: the launch has written the copies
//
// and @initialize, where nothing is updated, %c = ft.cast %p: one launch that converts. Kernels see a bucket as a
// matrix [elements / 1024, 1024], an update of moments in codes as one of blocks; the zeros between members stay zeros.
#include "compiler/Fusion/Programs/Programs.h"
#include "compiler/Layout/FormBuckets.h"
#include "compiler/Planning/Steps/Steps.h"
#include "runtime/Plan/DynamicMap.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

static_assert(bucketAlignment % bucketRow == 0);
static_assert(momentBlock == plan::momentBlock);

/// The elements of a bucket that are no member's.
static SmallVector<Place> gapsOf(AssembleOp op, const Place &bucket) {
  SmallVector<Place> gaps;
  int64_t end = 0;
  auto add = [&](int64_t begin) {
    if (begin > end)
      gaps.push_back(bucket.slice(0, 1, end, begin - end));
  };
  for (auto [member, offset] : llvm::zip_equal(op.getMembers(), op.getOffsets())) {
    add(offset);
    end = offset + cast<RankedTensorType>(member.getType()).getNumElements();
  }
  add(bucket.columns);
  return gaps;
}

/// Members that could not be computed in the bucket are copied there. Between them there have been zeros since the
/// reservation; but what is not yet a variable's is a value of its own, all of which must be written.
static LogicalResult emitAssemble(AssembleOp op, StepEmitter &out) {
  const PlaceUse bucket = out.writing(op.getBucket());
  if (llvm::none_of(op->getUsers(), llvm::IsaPred<WriteOp>))
    for (const Place &gap : gapsOf(op, bucket.place))
      out.memset("zeros", {gap, 0, bucket.write});
  for (auto [member, offset] : llvm::zip_equal(op.getMembers(), op.getOffsets())) {
    const Place target = memberPlace(bucket.place, offset, member.getType());
    if (out.values.place(member) != target)
      out.copy("assemble", out.reading(member), {target, 0, bucket.write});
  }
  return success();
}

/// The matrices get the version of the rest, as all that a product reads at once has one.
static LogicalResult emitInsert(InsertOp op, StepEmitter &out) {
  SmallVector<PlaceUse> from, to;
  for (auto [matrix, offset, pitch] : llvm::zip_equal(op.getMatrices(), op.getOffsets(), op.getPitches())) {
    from.push_back(out.reading(matrix));
    to.push_back(out.writing(op.getResult()));
    to.back().place = memberPlace(to.back().place, offset, matrix.getType(), pitch);
  }
  out.convertAll("adapters", from, to);
  return success();
}

static LogicalResult emitAccumulate(AccumulateOp op, StepEmitter &out) {
  const PlaceUse before = inRows(out.reading(op.getSum())), part = inRows(out.reading(op.getPart()));
  if (out.values.aliasOf(op.getTotal()) < 0)
    return op.emitOpError("must add to its bucket in place");
  const RankShare share{before.place.elementType, /*members=*/2, /*own=*/0, before.place.rows, bucketRow};
  PlaceUse total = before;
  total.write = out.values.version(op.getTotal());
  out.launch("", out.kernels.get("accumulate", buildRankSum, share), {total, part});
  return success();
}

/// The cast of an update's new parameters to their working copies, or null.
static CastOp workingCopyOf(Optimizer op) {
  for (Operation *user : op->getResult(0).getUsers())
    if (auto cast = dyn_cast<CastOp>(user))
      return cast;
  return nullptr;
}

/// What an update touches, in the order of its program's arguments, of which the first `own` are the bucket's.
struct Updating {
  BucketLayout layout;
  SmallVector<PlaceUse> uses;
  size_t own = 0;
};

/// What an optimizer keeps of a bucket: operands of its moments, and, null or none where absent, of the remainder and
/// of moments' scales. Their results follow the parameter's in this order.
struct StateOperands {
  SmallVector<Value, 2> moments;
  Value remainder;
  SmallVector<Value, 2> scales;
};

static StateOperands statesOf(Optimizer op) {
  if (auto adamw = dyn_cast<AdamwOp>(*op))
    return {{adamw.getExpAvg(), adamw.getExpAvgSq()}, adamw.getRemainder(), SmallVector<Value, 2>(adamw.getScales())};
  if (auto lion = dyn_cast<LionOp>(*op))
    return {{lion.getExpAvg()}, lion.getRemainder(), SmallVector<Value, 2>(lion.getScales())};
  StateOperands state;
  if (Value buffer = cast<SgdOp>(*op).getMomentumBuffer())
    state.moments.push_back(buffer);
  return state;
}

static Updating usesOf(Optimizer op, const StepEmitter &out) {
  const StateOperands state = statesOf(op);
  Updating updating;
  BucketLayout &layout = updating.layout;
  SmallVector<PlaceUse> &uses = updating.uses;
  layout.length = state.scales.empty() ? bucketRow : momentBlock;
  unsigned next = 0; // result
  auto updated = [&](Value before, int64_t length) {
    PlaceUse use = inRows(out.reading(before), length);
    use.write = out.values.version(op->getResult(next++));
    uses.push_back(use);
    return use.place.elementType;
  };
  layout.param = updated(op.getParam(), layout.length);
  layout.rows = uses.front().place.rows;
  uses.push_back(inRows(out.reading(op->getOperand(1)), layout.length));
  layout.grad = uses.back().place.elementType;
  Type *types[] = {&layout.expAvg, &layout.expAvgSq};
  for (auto [type, moment] : llvm::zip(types, state.moments))
    *type = updated(moment, layout.length);
  if (state.remainder)
    layout.remainder = updated(state.remainder, layout.length);
  for (Value scales : state.scales)
    updated(scales, 1);
  if (CastOp copy = workingCopyOf(op)) {
    uses.push_back(inRows(out.writing(copy.getResult()), layout.length));
    layout.copy = uses.back().place.elementType;
    layout.copyTiesAway = copy.getTiesAway();
  }
  updating.own = uses.size();
  for (Value v : {op.getNorm(), op.getStatus(), op.getScalars()})
    uses.push_back(out.reading(v));
  if (Value inverse = op.getInverseScale()) {
    uses.push_back(out.reading(inverse));
    layout.scaled = true;
  }
  if (Value first = op.getFirstRow()) {
    uses.push_back(out.reading(op.getRounding()));
    uses.push_back(out.reading(first));
    uses.back().place = uses.back().place.slice(0, 1, 0, 1); // its own part, whatever ranks have
    layout.rounds = true;
  }
  return updating;
}

/// Takes the bucket of `next` into the launch of those before it.
static LogicalResult extend(Updating &updating, Optimizer next, const StepEmitter &out) {
  const Updating more = usesOf(next, out);
  for (auto [use, other] :
       llvm::zip_equal(ArrayRef(updating.uses).take_front(updating.own), ArrayRef(more.uses).take_front(more.own)))
    if (!use.place.isAbove(other.place) || use.read != other.read || use.write != other.write)
      return next->emitOpError("is of a bucket in one buffer with others, and does not lie behind the one before it");
  for (PlaceUse &use : MutableArrayRef(updating.uses).take_front(updating.own))
    use.place.rows += more.layout.rows;
  updating.layout.rows += more.layout.rows;
  return success();
}

/// `build`: the program of the optimizer's kind with these options. The first update of buckets in one buffer is that
/// of all.
template <typename Options>
static LogicalResult emitUpdate(Optimizer op, StepEmitter &out, StringRef name,
                                RowProgram (*build)(OpBuilder &, StringRef, const BucketLayout &, const Options &),
                                const Options &options) {
  for (Value result : op->getResults())
    if (out.values.aliasOf(result) < 0)
      return op->emitOpError("must update its bucket in place");
  const FlatSymbolRefAttr buffer = out.values.place(op.getParam()).buffer;
  if (!out.claim(buffer))
    return success();
  Updating updating = usesOf(op, out);
  for (Operation *next = op->getNextNode(); next; next = next->getNextNode())
    if (auto other = dyn_cast<Optimizer>(next); other && out.values.place(other.getParam()).buffer == buffer)
      if (failed(extend(updating, other, out)))
        return failure();
  KernelPool &kernels = updating.uses.front().place.host ? out.hostKernels : out.kernels;
  out.launch("", kernels.get(name, build, updating.layout, options), updating.uses);
  return success();
}

static LogicalResult emitAdamw(AdamwOp op, StepEmitter &out) {
  return emitUpdate(op, out, "adamw", buildAdamw,
                    {op.getBeta1().convertToDouble(), op.getBeta2().convertToDouble(),
                     op.getEpsilon().convertToDouble(), op.getWeightDecay().convertToDouble(),
                     op.getMaxNorm().convertToDouble()});
}

static LogicalResult emitLion(LionOp op, StepEmitter &out) {
  return emitUpdate(op, out, "lion", buildLion,
                    {op.getBeta1().convertToDouble(), op.getBeta2().convertToDouble(),
                     op.getWeightDecay().convertToDouble(), op.getMaxNorm().convertToDouble()});
}

static LogicalResult emitSgd(SgdOp op, StepEmitter &out) {
  return emitUpdate(
      op, out, "sgd", buildSgd,
      {op.getMomentum().convertToDouble(), op.getWeightDecay().convertToDouble(), op.getMaxNorm().convertToDouble()});
}

/// Working copies: of a bucket, unless its update writes them; in a border, with the write behind the cast.
static LogicalResult emitCast(CastOp op, StepEmitter &out) {
  if (isa_and_nonnull<Optimizer>(op.getX().getDefiningOp()))
    return success();
  for (Operation *user : op->getUsers())
    if (auto write = dyn_cast<WriteOp>(user);
        write && !out.values.variableLayout().borderedWith(write.getVariable()).empty())
      return success();
  const PlaceUse from = inRows(out.reading(op.getX())), to = inRows(out.writing(op.getResult()));
  if (op.getTiesAway())
    out.launch("working_copy",
               out.kernels.get("copy_ties_away", buildTiesAway, matrixOf(from.place), matrixOf(to.place)), {from, to});
  else
    out.convert("working_copy", from, to);
  return success();
}

static LogicalResult emitTransfer(TransferOp op, StepEmitter &out) {
  emitLeavingSquares(op, out);
  out.copy(op.getToHost() ? "to_host" : "from_host", out.reading(op.getX()), out.writing(op.getResult()));
  return success();
}

static void findAccumulatePairs(AccumulateOp, InPlacePairs &pairs) { pairs.push_back({0, 0}); }

/// All that an update leaves takes the place of what it was.
template <typename Op> static void findUpdatePairs(Op op, InPlacePairs &pairs) {
  for (auto [result, operand] : llvm::enumerate(op.getUpdatedOperands()))
    pairs.push_back({operand, result});
}

void ft::attachUpdateSteps(MLIRContext &context) {
  attachSteps<AccumulateOp, emitAccumulate>(context);
  attachInPlace<AccumulateOp, findAccumulatePairs>(context);
  attachSteps<AssembleOp, emitAssemble>(context);
  attachSteps<InsertOp, emitInsert>(context);
  attachSteps<AdamwOp, emitAdamw>(context);
  attachInPlace<AdamwOp, findUpdatePairs<AdamwOp>>(context);
  attachSteps<LionOp, emitLion>(context);
  attachInPlace<LionOp, findUpdatePairs<LionOp>>(context);
  attachSteps<SgdOp, emitSgd>(context);
  attachInPlace<SgdOp, findUpdatePairs<SgdOp>>(context);
  attachSteps<CastOp, emitCast>(context);
  attachSteps<TransferOp, emitTransfer>(context);
}
