// Optimizer steps over a flat bucket, as PyTorch computes them (torch/optim/adamw.py and sgd.py, single tensor). What
// does not depend on the element is computed in f64 and rounded once to the compute type.
#include "compiler/Fusion/Programs/ProgramBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace ft {

namespace {
/// One row of a bucket inside `if (status[0] == 0)`.
class BucketRow {
public:
  BucketRow(ProgramBuilder &p, const BucketLayout &bucket, Value status)
      : p(p), b(p.b), length(bucket.length), at{p.item(), b.index(0)} {
    compute = b.getF32Type();
    for (Type type : {bucket.param, bucket.grad, bucket.expAvg, bucket.expAvgSq})
      if (type && type.isF64())
        compute = type;
    Type i32 = b.getI32Type();
    Value good =
        arith::CmpIOp::create(b, arith::CmpIPredicate::eq, b.loadScalar(status, b.index(0)), b.integer(0, i32));
    condition = scf::IfOp::create(b, good, /*withElseRegion=*/false);
    b.setInsertionPointToStart(condition.thenBlock());
  }
  ~BucketRow() { b.setInsertionPointAfter(condition); }

  Value load(Value memory) { return b.loadRow(memory, at, length, compute); }
  void store(Value row, Value memory) { b.storeRow(row, memory, at); }
  /// A constant, and an f64 value, in the compute type.
  Value number(double value) { return b.number(value, compute); }
  Value round(Value value) { return b.convert(value, compute); }
  /// The gradient, clipped: min(1, maxNorm / (norm + 1e-6)) of it.
  Value gradient(Value memory, Value norm, double maxNorm);
  /// Stores the parameter and, where there is one, its working copy, a rounding of what was stored.
  void storeParam(Value row, Value param, Value copy);

private:
  ProgramBuilder &p;
  RowBuilder &b;
  int64_t length;
  SmallVector<Value> at;
  Type compute;
  scf::IfOp condition;
};
} // namespace

Value BucketRow::gradient(Value memory, Value norm, double maxNorm) {
  Value row = load(memory);
  if (maxNorm == 0)
    return row;
  Type f64 = b.getF64Type();
  Value one = b.number(1.0, f64);
  Value ratio = b.div(b.number(maxNorm, f64), b.add(b.loadScalar(norm, b.index(0)), b.number(1e-6, f64)));
  Value clips = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, ratio, one);
  return b.mul(row, round(b.select(clips, ratio, one)));
}

void BucketRow::storeParam(Value row, Value param, Value copy) {
  Value stored = b.convert(row, cast<MemRefType>(param.getType()).getElementType());
  store(stored, param);
  if (copy)
    store(stored, copy);
}

static ProgramArgument bucketArgument(const BucketLayout &bucket, Type type, Access access) {
  return matrixArgument({type, bucket.rows, bucket.length, bucket.length}, access);
}

/// param, grad, moments and copy where there are any, norm, status, scalars.
static SmallVector<ProgramArgument> bucketArguments(OpBuilder &builder, const BucketLayout &bucket) {
  SmallVector<ProgramArgument> arguments{bucketArgument(bucket, bucket.param, Access::ReadWrite),
                                         bucketArgument(bucket, bucket.grad, Access::Read)};
  for (Type type : {bucket.expAvg, bucket.expAvgSq, bucket.copy})
    if (type)
      arguments.push_back(bucketArgument(bucket, type, Access::ReadWrite));
  arguments.push_back(vectorArgument(builder.getF64Type(), 1, Access::Read));
  arguments.push_back(vectorArgument(builder.getI32Type(), 4, Access::Read));
  arguments.push_back(scalarsArgument(builder));
  return arguments;
}

/// p ← p · (1 − lr · decay)
static Value decay(ProgramBuilder &p, BucketRow &row, Value param, Value learningRate, double weightDecay) {
  if (weightDecay == 0)
    return param;
  RowBuilder &b = p.b;
  Type f64 = b.getF64Type();
  return b.mul(param, row.round(b.sub(b.number(1.0, f64), b.mul(learningRate, b.number(weightDecay, f64)))));
}

RowProgram buildAdamw(OpBuilder &builder, StringRef name, const BucketLayout &bucket, const AdamwOptions &options) {
  ProgramBuilder p(builder, name, bucketArguments(builder, bucket));
  RowBuilder &b = p.b;
  const unsigned tail = bucket.copy ? 5 : 4; // norm, status, scalars
  Value copy = bucket.copy ? p[4] : Value(), scalars = p[tail + 2];
  {
    BucketRow row(p, bucket, p[tail + 1]);
    Value learningRate = p.runScalar(scalars, plan::LEARNING_RATE);
    Value stepSize = row.round(b.div(learningRate, p.runScalar(scalars, plan::BIAS_CORRECTION1)));
    Value rootCorrection = row.round(b.sqrt(p.runScalar(scalars, plan::BIAS_CORRECTION2)));
    Value grad = row.gradient(p[1], p[tail], options.maxNorm);
    Value param = decay(p, row, row.load(p[0]), learningRate, options.weightDecay);
    Value oldMean = row.load(p[2]);
    Value mean = b.add(oldMean, b.mul(b.sub(grad, oldMean), row.number(1.0 - options.beta1)));
    Value square = b.add(b.mul(row.load(p[3]), row.number(options.beta2)),
                         b.mul(b.mul(grad, grad), row.number(1.0 - options.beta2)));
    Value root = b.add(b.div(b.sqrt(square), rootCorrection), row.number(options.epsilon));
    row.store(mean, p[2]);
    row.store(square, p[3]);
    row.storeParam(b.sub(param, b.mul(b.div(mean, root), stepSize)), p[0], copy);
  }
  return p.finish(bucket.rows);
}

RowProgram buildSgd(OpBuilder &builder, StringRef name, const BucketLayout &bucket, const SgdOptions &options) {
  BucketLayout layout = bucket;
  layout.expAvgSq = Type();
  ProgramBuilder p(builder, name, bucketArguments(builder, layout));
  RowBuilder &b = p.b;
  const unsigned copyAt = layout.expAvg ? 3 : 2, tail = copyAt + (layout.copy ? 1 : 0);
  Value copy = layout.copy ? p[copyAt] : Value();
  {
    BucketRow row(p, layout, p[tail + 1]);
    Value learningRate = row.round(p.runScalar(p[tail + 2], plan::LEARNING_RATE));
    Value param = row.load(p[0]), update = row.gradient(p[1], p[tail], options.maxNorm);
    if (options.weightDecay != 0)
      update = b.add(update, b.mul(param, row.number(options.weightDecay)));
    if (layout.expAvg) {
      update = b.add(b.mul(row.load(p[2]), row.number(options.momentum)), update);
      row.store(update, p[2]);
    }
    row.storeParam(b.sub(param, b.mul(update, learningRate)), p[0], copy);
  }
  return p.finish(bucket.rows);
}

} // namespace ft
