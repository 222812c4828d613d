// Optimizer steps over a flat bucket, as PyTorch computes them (torch/optim/adamw.py and sgd.py, single tensor), and
// Lion as its authors do (google/automl, lion_pytorch.py). What does not depend on the element is computed in f64 and
// rounded once to the compute type.
#include "compiler/Fusion/MomentCodes.h"
#include "compiler/Fusion/Programs/Rounding.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

#include <optional>

using namespace mlir;

namespace ft {

/// Whether a moment of this type, null for none, has scales.
static bool isInCodes(Type moment) { return moment && moment.isInteger(8); }

namespace {
/// The arguments of an update, null where the bucket has none.
struct BucketMemory {
  Value param, grad, expAvg, expAvgSq, remainder, expAvgScales, expAvgSqScales, copy, norm, status, scalars,
      inverseScale, key, firstRow;
};

ProgramArgument bucketArgument(const BucketLayout &bucket, Type type, Access access) {
  return matrixArgument({type, bucket.rows, bucket.length, bucket.length}, access);
}

/// In the order of Programs.h.
SmallVector<ProgramArgument> argumentsOf(OpBuilder &builder, const BucketLayout &bucket) {
  SmallVector<ProgramArgument> arguments{bucketArgument(bucket, bucket.param, Access::ReadWrite),
                                         bucketArgument(bucket, bucket.grad, Access::Read)};
  for (Type type : {bucket.expAvg, bucket.expAvgSq, bucket.remainder})
    if (type)
      arguments.push_back(bucketArgument(bucket, type, Access::ReadWrite));
  for (Type type : {bucket.expAvg, bucket.expAvgSq})
    if (isInCodes(type))
      arguments.push_back(vectorArgument(builder.getF32Type(), bucket.rows, Access::ReadWrite));
  if (bucket.copy)
    arguments.push_back(bucketArgument(bucket, bucket.copy, Access::ReadWrite));
  Type f64 = builder.getF64Type(), i64 = builder.getI64Type();
  arguments.push_back(vectorArgument(f64, 1, Access::Read));
  arguments.push_back(vectorArgument(builder.getI32Type(), 4, Access::Read));
  arguments.push_back(scalarsArgument(builder));
  if (bucket.scaled)
    arguments.push_back(vectorArgument(f64, 1, Access::Read));
  if (bucket.rounds)
    arguments.append(2, vectorArgument(i64, 1, Access::Read));
  return arguments;
}

BucketMemory memoryOf(ProgramBuilder &p, const BucketLayout &bucket) {
  unsigned next = 0;
  auto take = [&](bool there) { return there ? p[next++] : Value(); };
  BucketMemory memory;
  memory.param = take(true);
  memory.grad = take(true);
  memory.expAvg = take(bool(bucket.expAvg));
  memory.expAvgSq = take(bool(bucket.expAvgSq));
  memory.remainder = take(bool(bucket.remainder));
  memory.expAvgScales = take(isInCodes(bucket.expAvg));
  memory.expAvgSqScales = take(isInCodes(bucket.expAvgSq));
  memory.copy = take(bool(bucket.copy));
  for (Value *scalar : {&memory.norm, &memory.status, &memory.scalars})
    *scalar = take(true);
  memory.inverseScale = take(bucket.scaled);
  memory.key = take(bucket.rounds);
  memory.firstRow = take(bucket.rounds);
  return memory;
}

/// One row of a bucket inside `if (status[0] == 0)`, in pieces that are updated by themselves: one, or those that share
/// random bits. All is stored at the end, so that pieces are one walk.
class BucketRow {
public:
  BucketRow(ProgramBuilder &p, const BucketLayout &bucket)
      : memory(memoryOf(p, bucket)), p(p), b(p.b),
        length(bucket.rounds ? std::min(roundingPiece, bucket.length) : bucket.length), count(bucket.length / length),
        copyTiesAway(bucket.copyTiesAway) {
    compute = b.getF32Type();
    for (Type type : {bucket.param, bucket.grad, bucket.expAvg, bucket.expAvgSq})
      if (type && type.isF64())
        compute = type;
    Type i32 = b.getI32Type();
    Value good =
        arith::CmpIOp::create(b, arith::CmpIPredicate::eq, b.loadScalar(memory.status, b.index(0)), b.integer(0, i32));
    makesCopyAgain = memory.copy && bucket.scaled;
    condition = scf::IfOp::create(b, good, /*withElseRegion=*/makesCopyAgain);
    b.setInsertionPointToStart(condition.thenBlock());
    if (bucket.rounds)
      rounding.emplace(p, memory.key, memory.firstRow, memory.scalars, bucket.length);
  }
  ~BucketRow() {
    for (const Store &store : stores)
      b.storeRow(store.row, store.memory, store.at);
    for (auto [scale, scales] : newScales)
      b.storeScalar(scale, scales, p.item());
    if (makesCopyAgain)
      copyUnchanged();
    b.setInsertionPointAfter(condition);
  }

  int64_t pieces() const { return count; }
  /// What follows is of that piece.
  void begin(int64_t number) {
    piece = number;
    at = {p.item(), b.index(number * length)};
  }
  Value load(Value from) { return b.loadRow(from, at, length, compute); }
  Value loadParam();
  Value loadMoment(Value from, Value scales, plan::DynamicMap map);
  /// Rounds to bf16; or, with scales, to the nearest codes, and the block's scale is its largest magnitude.
  void storeMoment(Value row, Value to, Value scales, plan::DynamicMap map, Rounded what);
  void store(Value row, Value to, Rounded what) { stores.push_back({rounded(row, to, what), to, at}); }
  /// A constant, and an f64 value, in the compute type.
  Value number(double value) { return b.number(value, compute); }
  Value round(Value value) { return b.convert(value, compute); }
  /// What gradients are multiplied by: min(1, maxNorm / (norm + 1e-6)), and where they are scaled, the inverse of that
  /// scale. Null: 1.
  Value factor(double maxNorm);
  /// What decoupled decay multiplies parameters by, 1 − lr · weightDecay. Null: 1.
  Value decay(Value learningRate, double weightDecay);
  /// Stores the parameter, in halves where it has a remainder, and, where there is one, its working copy, a rounding of
  /// what was stored.
  void storeParam(Value row);

  const BucketMemory memory;

private:
  /// Of a step that is skipped while the run goes on. Memory that holds the copy for its way from the host to the
  /// device holds another's until then.
  void copyUnchanged() {
    b.setInsertionPointToStart(condition.elseBlock());
    for (int64_t piece = 0; piece < count; ++piece) {
      begin(piece);
      b.storeRow(load(memory.param), memory.copy, at);
    }
  }
  struct Store {
    Value row, memory;
    SmallVector<Value> at;
  };
  Value rounded(Value row, Value to, Rounded what) {
    Type stored = cast<MemRefType>(to.getType()).getElementType();
    return rounding && stored.isBF16() ? rounding->round(row, what, piece) : b.convert(row, stored);
  }

  ProgramBuilder &p;
  RowBuilder &b;
  int64_t length, count, piece = 0;
  bool copyTiesAway;           ///< of BF16_MIXED, where no gradient is scaled
  bool makesCopyAgain = false; ///< and then not copyTiesAway
  SmallVector<Value> at;
  SmallVector<Store> stores;
  SmallVector<std::pair<Value, Value>> newScales; ///< and the memories that they go to
  Type compute;
  scf::IfOp condition;
  std::optional<RoundingBits> rounding;
};
} // namespace

Value BucketRow::factor(double maxNorm) {
  Value inverse = memory.inverseScale ? b.loadScalar(memory.inverseScale, b.index(0)) : Value();
  if (maxNorm == 0)
    return inverse ? round(inverse) : Value();
  Type f64 = b.getF64Type();
  Value one = b.number(1.0, f64);
  Value ratio = b.div(b.number(maxNorm, f64), b.add(b.loadScalar(memory.norm, b.index(0)), b.number(1e-6, f64)));
  Value clips = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, ratio, one);
  Value clip = b.select(clips, ratio, one);
  return round(inverse ? b.mul(clip, inverse) : clip);
}

Value BucketRow::decay(Value learningRate, double weightDecay) {
  Type f64 = b.getF64Type();
  return weightDecay == 0 ? Value() : round(b.sub(b.number(1.0, f64), b.mul(learningRate, b.number(weightDecay, f64))));
}

Value BucketRow::loadParam() {
  if (!memory.remainder)
    return load(memory.param);
  Value half = b.loadRow(memory.param, at, length, b.getBF16Type());
  return joinHalves(b, {half, b.loadRow(memory.remainder, at, length, b.getI16Type())});
}

Value BucketRow::loadMoment(Value from, Value scales, plan::DynamicMap map) {
  if (!scales)
    return load(from);
  return b.mul(fromDynamicMap(b, map, b.loadRow(from, at, length, b.getI8Type())), b.loadScalar(scales, p.item()));
}

void BucketRow::storeMoment(Value row, Value to, Value scales, plan::DynamicMap map, Rounded what) {
  if (!scales)
    return store(row, to, what);
  Value largest = b.max(map.isSigned ? Value(math::AbsFOp::create(b, row)) : row);
  stores.push_back({toDynamicMap(b, map, b.mul(row, inverseOfScale(b, largest))), to, at});
  newScales.push_back({largest, scales});
}

void BucketRow::storeParam(Value row) {
  if (memory.remainder) {
    const Halves halves = splitInHalves(b, row);
    stores.push_back({halves.rounded, memory.param, at});
    stores.push_back({halves.remainder, memory.remainder, at});
    return;
  }
  Value stored = rounded(row, memory.param, Rounded::Param);
  stores.push_back({stored, memory.param, at});
  if (memory.copy)
    stores.push_back({copyTiesAway ? roundTiesAway(b, stored) : stored, memory.copy, at});
}

constexpr plan::DynamicMap meanMap{true}, squareMap{false};

static Value times(RowBuilder &b, Value row, Value factor) { return factor ? b.mul(row, factor) : row; }

RowProgram buildAdamw(OpBuilder &builder, StringRef name, const BucketLayout &bucket, const AdamwOptions &options) {
  ProgramBuilder p(builder, name, argumentsOf(builder, bucket));
  RowBuilder &b = p.b;
  {
    BucketRow row(p, bucket);
    const BucketMemory &memory = row.memory;
    Value learningRate = p.runScalar(memory.scalars, plan::LEARNING_RATE);
    Value stepSize = row.round(b.div(learningRate, p.runScalar(memory.scalars, plan::BIAS_CORRECTION1)));
    Value rootCorrection = row.round(b.sqrt(p.runScalar(memory.scalars, plan::BIAS_CORRECTION2)));
    Value factor = row.factor(options.maxNorm), decay = row.decay(learningRate, options.weightDecay);
    for (int64_t piece = 0; piece < row.pieces(); ++piece) {
      row.begin(piece);
      Value grad = times(b, row.load(memory.grad), factor), param = times(b, row.loadParam(), decay);
      Value oldMean = row.loadMoment(memory.expAvg, memory.expAvgScales, meanMap);
      Value mean = b.add(oldMean, b.mul(b.sub(grad, oldMean), row.number(1.0 - options.beta1)));
      Value oldSquare = row.loadMoment(memory.expAvgSq, memory.expAvgSqScales, squareMap);
      Value square =
          b.add(b.mul(oldSquare, row.number(options.beta2)), b.mul(b.mul(grad, grad), row.number(1.0 - options.beta2)));
      Value root = b.add(b.div(b.sqrt(square), rootCorrection), row.number(options.epsilon));
      row.storeMoment(mean, memory.expAvg, memory.expAvgScales, meanMap, Rounded::ExpAvg);
      row.storeMoment(square, memory.expAvgSq, memory.expAvgSqScales, squareMap, Rounded::ExpAvgSq);
      row.storeParam(b.sub(param, b.mul(b.div(mean, root), stepSize)));
    }
  }
  return p.finish(bucket.rows);
}

/// `size` with the sign of each element of a row; 0 where that is 0.
static Value withSigns(RowBuilder &b, Value row, Value size) {
  Value zero = b.number(0.0, row.getType());
  auto is = [&](arith::CmpFPredicate predicate) -> Value { return arith::CmpFOp::create(b, predicate, row, zero); };
  Value down = b.select(is(arith::CmpFPredicate::OLT), b.negate(size), zero);
  return b.select(is(arith::CmpFPredicate::OGT), size, down);
}

RowProgram buildLion(OpBuilder &builder, StringRef name, const BucketLayout &bucket, const LionOptions &options) {
  ProgramBuilder p(builder, name, argumentsOf(builder, bucket));
  RowBuilder &b = p.b;
  {
    BucketRow row(p, bucket);
    const BucketMemory &memory = row.memory;
    Value learningRate = p.runScalar(memory.scalars, plan::LEARNING_RATE);
    Value stepSize = row.round(learningRate), factor = row.factor(options.maxNorm);
    Value decay = row.decay(learningRate, options.weightDecay);
    for (int64_t piece = 0; piece < row.pieces(); ++piece) {
      row.begin(piece);
      Value grad = times(b, row.load(memory.grad), factor), param = times(b, row.loadParam(), decay);
      Value mean = row.loadMoment(memory.expAvg, memory.expAvgScales, meanMap);
      auto mixed = [&](double beta) {
        return b.add(b.mul(mean, row.number(beta)), b.mul(grad, row.number(1.0 - beta)));
      };
      row.storeMoment(mixed(options.beta2), memory.expAvg, memory.expAvgScales, meanMap, Rounded::ExpAvg);
      row.storeParam(b.sub(param, withSigns(b, mixed(options.beta1), stepSize)));
    }
  }
  return p.finish(bucket.rows);
}

RowProgram buildSgd(OpBuilder &builder, StringRef name, const BucketLayout &bucket, const SgdOptions &options) {
  BucketLayout layout = bucket;
  layout.expAvgSq = Type();
  ProgramBuilder p(builder, name, argumentsOf(builder, layout));
  RowBuilder &b = p.b;
  {
    BucketRow row(p, layout);
    const BucketMemory &memory = row.memory;
    Value learningRate = row.round(p.runScalar(memory.scalars, plan::LEARNING_RATE));
    Value factor = row.factor(options.maxNorm);
    for (int64_t piece = 0; piece < row.pieces(); ++piece) {
      row.begin(piece);
      Value param = row.loadParam(), update = times(b, row.load(memory.grad), factor);
      if (options.weightDecay != 0)
        update = b.add(update, b.mul(param, row.number(options.weightDecay)));
      if (memory.expAvg) {
        update = b.add(b.mul(row.load(memory.expAvg), row.number(options.momentum)), update);
        row.store(update, memory.expAvg, Rounded::ExpAvg);
      }
      row.storeParam(b.sub(param, b.mul(update, learningRate)));
    }
  }
  return p.finish(bucket.rows);
}

} // namespace ft
