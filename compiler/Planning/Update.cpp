// The optimizer step by buckets: one launch updates all parameters of a kind, with their moments and working copies.
#include "compiler/Fusion/Programs/Programs.h"
#include "compiler/Planning/Composites.h"

#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace ft;

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

LogicalResult ft::emitGradNorm(StepEmitter &out, SegmentLayout &values, const VariableLayout &variables,
                               model::GradNormOp norm) {
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
    std::string key;
    llvm::raw_string_ostream(key) << "sum_of_squares" << type << rows;
    parts.push_back({&bucket, &out.kernels.get("sum_of_squares", key, [&](OpBuilder &b, StringRef n) {
                       return buildSumOfSquares(b, n, type, rows, bucketRow);
                     })});
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
  std::string key = ("norm" + Twine(count) + (statistic.isF64() ? "d" : "s")).str();
  const RowProgram &total =
      out.kernels.get("norm", key, [&](OpBuilder &b, StringRef n) { return buildNorm(b, n, statistic, count); });
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
  std::string key;
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
  llvm::raw_string_ostream os(update.key);
  os << update.layout.rows << update.layout.param << update.layout.grad << update.layout.expAvg
     << update.layout.expAvgSq << update.layout.copy;
  return update;
}

void UpdateEmitter::refreshBorder(StepEmitter &out, const VariableLayout &variables,
                                  ArrayRef<model::VariableOp> copies) {
  if (++refreshed[copies.data()] < copies.size())
    return;
  auto master = [&](size_t i) { return variables.place(*model::VariableOp(copies[i]).getOf()); };
  auto copy = [&](size_t i) { return variables.place(model::VariableOp(copies[i]).getSymName()); };
  auto distance = [](const Place &from, const Place &to) { return to.offsetBytes - from.offsetBytes; };
  // The copies are at one distance by their layout; the masters are as far as their bucket has equal neighbours.
  for (size_t begin = 0, end; begin < copies.size(); begin = end) {
    const Place from = master(begin), to = copy(begin);
    const int64_t step = begin + 1 < copies.size() ? distance(from, master(begin + 1)) : 0;
    for (end = begin + 1; end < copies.size() && step > 0; ++end)
      if (master(end).buffer != from.buffer || distance(master(end - 1), master(end)) != step)
        break;
    const int64_t batch = end - begin;
    out.convert("border", {from, variables.version(from.buffer), 0, batch, batch > 1 ? step : 0},
                {to, 0, variables.version(to.buffer), batch, batch > 1 ? distance(to, copy(begin + 1)) : 0});
  }
}

LogicalResult UpdateEmitter::emit(StepEmitter &out, SegmentLayout &values, const VariableLayout &variables,
                                  Operation *op) {
  const Bucket *bucket = bucketOf(variables, values.place(op->getOperand(0)));
  if (!bucket)
    return op->emitOpError("updates a variable that is in no bucket");
  if (isa<model::CastOp>(op) && values.place(op->getResult(0)).buffer != bucket->workingCopy)
    return success(); // into a border: with the write behind it
  if (!done.insert(bucket->parameter).second)
    return success();
  if (isa<model::CastOp>(op)) {
    emitCopies(out, variables, *bucket);
    return success();
  }
  BucketUpdate update = describe(variables, *bucket);
  auto reading = [&](Value v) { return PlaceUse{values.place(v), values.version(v), 0}; };
  llvm::raw_string_ostream os(update.key);
  os << op->getAttrDictionary();
  const RowProgram *program;
  if (auto adamw = dyn_cast<model::AdamwOp>(op)) {
    AdamwOptions options{adamw.getBeta1().convertToDouble(), adamw.getBeta2().convertToDouble(),
                         adamw.getEpsilon().convertToDouble(), adamw.getWeightDecay().convertToDouble(),
                         adamw.getMaxNorm().convertToDouble()};
    program = &out.kernels.get("adamw", "adamw" + update.key,
                               [&](OpBuilder &b, StringRef n) { return buildAdamw(b, n, update.layout, options); });
    for (Value v : {Value(adamw.getNorm()), Value(adamw.getStatus()), Value(adamw.getScalars())})
      update.uses.push_back(reading(v));
  } else {
    auto sgd = cast<model::SgdOp>(op);
    SgdOptions options{sgd.getMomentum().convertToDouble(), sgd.getWeightDecay().convertToDouble(),
                       sgd.getMaxNorm().convertToDouble()};
    program = &out.kernels.get("sgd", "sgd" + update.key,
                               [&](OpBuilder &b, StringRef n) { return buildSgd(b, n, update.layout, options); });
    for (Value v : {Value(sgd.getNorm()), Value(sgd.getStatus()), Value(sgd.getScalars())})
      update.uses.push_back(reading(v));
  }
  out.launch("", *program, update.uses);
  return success();
}
