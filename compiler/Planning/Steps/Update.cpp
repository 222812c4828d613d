// The optimizer step by buckets: one launch updates all parameters of a kind, with their moments and working copies.
//
// The per-parameter updates of a segment are one launch per bucket: the first member's operation claims the bucket and
// emits it, the others are covered by it. A cast that refreshes a working copy belongs to its parameter's bucket. For
// two layers with one weight and one norm each, where norms do not decay, @update says
//
//   %w0 = ft.adamw %w0.., %g0.. {weight_decay = 0.1}     claims bucket0: one launch over [w0 | w1], their gradients,
//   %c0 = ft.cast %w0                                    nothing: the launch wrote the copies   moments, bf16 copies
//   %n0 = ft.adamw %n0.., %gn0.. {weight_decay = 0.0}    claims bucket1: one launch over [n0 | n1] …
//   %w1 = ft.adamw %w1.., %g1.. {weight_decay = 0.1}     nothing: bucket0 is claimed
//   …
//
// and @initialize, where nothing is updated, ft.cast %w0, ft.cast %w1: the first claims bucket0 and emits one launch
// that converts [w0 | w1] to their copies. A bucket's five buffers have the parameters at the same element offsets
// (VariableLayout.h), members at multiples of 64, all padded with zeros to whole rows of 1024, so that kernels see each
// as one matrix [elements / 1024, 1024] and zeros stay zeros through the update.
#include "compiler/Fusion/Programs/Programs.h"
#include "compiler/Planning/Steps/Steps.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

constexpr int64_t partialsAlignment = 64; // elements

static Type elementType(model::VariableOp v) {
  return v ? cast<RankedTensorType>(v.getType()).getElementType() : Type();
}

/// A whole buffer of a bucket as rows of bucketRow elements.
static Place wholeBucket(FlatSymbolRefAttr buffer, Type type, int64_t elements) {
  Place p;
  p.buffer = buffer;
  p.elementType = type;
  p.rows = elements / bucketRow;
  p.columns = p.pitch = bucketRow;
  return p;
}

static const Bucket *bucketOf(const VariableLayout &variables, const Place &parameter) {
  for (const Bucket &bucket : variables.allBuckets())
    if (bucket.parameter == parameter.buffer)
      return &bucket;
  return nullptr;
}

/// All gradients of a segment's grad_norm must be whole buckets.
static LogicalResult emitGradNorm(GradNormOp norm, StepEmitter &out) {
  SegmentLayout &values = out.values;
  const VariableLayout &variables = values.variableLayout();
  llvm::DenseSet<Attribute> buffers;
  for (Value grad : norm.getGrads())
    buffers.insert(values.place(grad).buffer);
  struct Part {
    const Bucket *bucket;
    const RowProgram *program;
  };
  SmallVector<Part> parts;
  int64_t count = 0;
  Type statistic;
  for (const Bucket &bucket : variables.allBuckets()) {
    if (!buffers.erase(bucket.gradient))
      continue;
    Type type = elementType(bucket.members.front().gradient);
    statistic = getComputeType(type);
    int64_t rows = bucket.elements / bucketRow;
    parts.push_back(
        {&bucket, &out.kernels.get("sum_of_squares", buildSumOfSquares, type, rows, bucketRow, bucketPartials)});
    // Parts start at multiples of 256 bytes; what lies between them is zero and adds nothing.
    count += llvm::alignTo(parts.back().program->items, partialsAlignment);
  }
  if (!buffers.empty() || parts.empty())
    return norm.emitOpError("reads gradients that are in no bucket");
  Place partials = values.scratch("norm.partials", 1, count, statistic);
  int64_t version = values.freshVersion(), first = 0;
  out.memset("clear", {partials, 0, version});
  for (const Part &part : parts) {
    Place gradient =
        wholeBucket(part.bucket->gradient, elementType(part.bucket->members.front().gradient), part.bucket->elements);
    out.launch("squares", *part.program,
               {{gradient, variables.version(gradient.buffer), 0},
                {partials.slice(0, 1, first, part.program->items), 0, version}});
    first += llvm::alignTo(part.program->items, partialsAlignment);
  }
  const RowProgram &total = out.kernels.get("norm", buildNorm, statistic, count);
  out.launch("", total, {{partials, version, 0}, {values.place(norm.getNorm()), 0, values.version(norm.getNorm())}});
  return success();
}

static void emitCopies(StepEmitter &out, const VariableLayout &variables, const Bucket &bucket) {
  const Bucket::Member &member = bucket.members.front();
  Place from = wholeBucket(bucket.parameter, elementType(member.parameter), bucket.elements);
  Place to = wholeBucket(bucket.workingCopy, elementType(member.workingCopy), bucket.elements);
  out.convert("working_copy", {from, variables.version(from.buffer), 0}, {to, 0, variables.version(to.buffer)});
}

namespace {
/// Operands of a bucket's update in the order of the programs' arguments.
struct BucketUpdate {
  BucketLayout layout;
  SmallVector<PlaceUse> uses;
};
} // namespace

static BucketUpdate describe(const VariableLayout &variables, const Bucket &bucket) {
  BucketUpdate update;
  const Bucket::Member &member = bucket.members.front();
  auto add = [&](FlatSymbolRefAttr buffer, Type type, bool written) {
    if (!buffer)
      return;
    int64_t version = variables.version(buffer);
    update.uses.push_back({wholeBucket(buffer, type, bucket.elements), version, written ? version : 0});
  };
  update.layout.rows = bucket.elements / bucketRow;
  update.layout.param = elementType(member.parameter);
  update.layout.grad = elementType(member.gradient);
  update.layout.expAvg = elementType(member.expAvg);
  update.layout.expAvgSq = elementType(member.expAvgSq);
  update.layout.copy = elementType(member.workingCopy);
  add(bucket.parameter, update.layout.param, true);
  add(bucket.gradient, update.layout.grad, false);
  add(bucket.expAvg, update.layout.expAvg, true);
  add(bucket.expAvgSq, update.layout.expAvgSq, true);
  add(bucket.workingCopy, update.layout.copy, true);
  return update;
}

/// The bucket that the launch of `op` updates or copies; null where another operation's launch does it.
static FailureOr<const Bucket *> claimBucket(Operation *op, StepEmitter &out) {
  const Bucket *bucket = bucketOf(out.values.variableLayout(), out.values.place(op->getOperand(0)));
  if (!bucket)
    return op->emitOpError("updates a variable that is in no bucket");
  return out.claim(bucket->parameter) ? bucket : nullptr;
}

/// `build`: the program of the optimizer's kind with these options.
template <typename Options>
static LogicalResult emitUpdate(Optimizer op, StepEmitter &out, StringRef name,
                                RowProgram (*build)(OpBuilder &, StringRef, const BucketLayout &, const Options &),
                                const Options &options) {
  FailureOr<const Bucket *> bucket = claimBucket(op, out);
  if (failed(bucket) || !*bucket)
    return bucket;
  BucketUpdate update = describe(out.values.variableLayout(), **bucket);
  for (Value v : {op.getNorm(), op.getStatus(), op.getScalars()})
    update.uses.push_back(out.reading(v));
  out.launch("", out.kernels.get(name, build, update.layout, options), update.uses);
  return success();
}

static LogicalResult emitAdamw(AdamwOp op, StepEmitter &out) {
  return emitUpdate(op, out, "adamw", buildAdamw,
                    {op.getBeta1().convertToDouble(), op.getBeta2().convertToDouble(),
                     op.getEpsilon().convertToDouble(), op.getWeightDecay().convertToDouble(),
                     op.getMaxNorm().convertToDouble()});
}

static LogicalResult emitSgd(SgdOp op, StepEmitter &out) {
  return emitUpdate(
      op, out, "sgd", buildSgd,
      {op.getMomentum().convertToDouble(), op.getWeightDecay().convertToDouble(), op.getMaxNorm().convertToDouble()});
}

/// A working copy: with its bucket, or, in a border, with the write behind the cast.
static LogicalResult emitCast(CastOp op, StepEmitter &out) {
  const VariableLayout &variables = out.values.variableLayout();
  const Bucket *bucket = bucketOf(variables, out.values.place(op.getX()));
  if (bucket && out.values.place(op.getResult()).buffer != bucket->workingCopy)
    return success();
  FailureOr<const Bucket *> claimed = claimBucket(op, out);
  if (failed(claimed) || !*claimed)
    return claimed;
  emitCopies(out, variables, **claimed);
  return success();
}

/// The parameter and its moments; not the gradient between them.
static void findAdamwPairs(AdamwOp, InPlacePairs &pairs) {
  pairs.push_back({0, 0});
  pairs.push_back({2, 1});
  pairs.push_back({3, 2});
}

static void findSgdPairs(SgdOp op, InPlacePairs &pairs) {
  pairs.push_back({0, 0});
  if (op.getMomentumBuffer())
    pairs.push_back({2, 1});
}

void ft::attachUpdateSteps(MLIRContext &context) {
  attachSteps<GradNormOp, emitGradNorm>(context);
  attachSteps<AdamwOp, emitAdamw>(context);
  attachInPlace<AdamwOp, findAdamwPairs>(context);
  attachSteps<SgdOp, emitSgd>(context);
  attachInPlace<SgdOp, findSgdPairs>(context);
  attachSteps<CastOp, emitCast>(context);
}
