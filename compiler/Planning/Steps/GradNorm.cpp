// The norm over all gradients: sums of squares of each, and one launch that adds them up in order. Sums of a gradient
// that leaves for the host are computed in front of that, all others where the norm is taken: what the norm adds up,
// and in which order, does not depend on it.
#include "compiler/Fusion/Programs/Programs.h"
#include "compiler/Layout/FormBuckets.h"
#include "compiler/Planning/Steps/Steps.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

constexpr int64_t partialsAlignment = 64; // elements

PlaceUse ft::inRows(PlaceUse bucket, int64_t length) {
  bucket.place.rows = bucket.place.columns / length;
  bucket.place.columns = bucket.place.pitch = length;
  return bucket;
}

/// Parts start at multiples of 256 bytes; what lies between them is zero and adds nothing.
static NormSums createSums(GradNormOp norm, StepEmitter &out) {
  NormSums sums;
  int64_t count = 0;
  Type statistic;
  for (Value gradient : norm.getGrads()) {
    const PlaceUse use = inRows(out.reading(gradient));
    const Type type = use.place.elementType;
    statistic = getComputeType(type);
    const RowProgram &program =
        out.kernels.get("sum_of_squares", buildSumOfSquares, type, use.place.rows, bucketRow, bucketPartials);
    sums.parts.push_back({gradient, &program, count});
    count += llvm::alignTo(program.items, partialsAlignment);
  }
  sums.all = {out.values.scratch("norm.partials", 1, count, statistic), out.values.freshVersion(), 0};
  out.memset("clear", {sums.all.place, 0, sums.all.read});
  return sums;
}

static NormSums &sumsOf(GradNormOp norm, StepEmitter &out) {
  auto found = out.normSums.find(norm);
  if (found == out.normSums.end())
    found = out.normSums.try_emplace(norm, createSums(norm, out)).first;
  return found->second;
}

static void emitSquares(const NormSums &sums, const NormSums::Part &part, StepEmitter &out) {
  const Place to = sums.all.place.slice(0, 1, part.first, part.program->items);
  out.launch("squares", *part.program, {inRows(out.reading(part.gradient)), {to, 0, sums.all.read}});
}

void ft::emitLeavingSquares(TransferOp leaving, StepEmitter &out) {
  for (Operation *user : leaving.getX().getUsers()) {
    auto norm = dyn_cast<GradNormOp>(user);
    if (!norm || !leaving.getToHost())
      continue;
    NormSums &sums = sumsOf(norm, out);
    for (NormSums::Part &part : sums.parts)
      if (part.gradient == leaving.getX() && !part.isThere) {
        emitSquares(sums, part, out);
        part.isThere = true;
      }
  }
}

static LogicalResult emitGradNorm(GradNormOp norm, StepEmitter &out) {
  const NormSums &sums = sumsOf(norm, out);
  for (const NormSums::Part &part : sums.parts)
    if (!part.isThere)
      emitSquares(sums, part, out);
  const Place &all = sums.all.place;
  out.launch("", out.kernels.get("norm", buildNorm, all.elementType, all.columns),
             {sums.all, {out.values.place(norm.getNorm()), 0, out.values.version(norm.getNorm())}});
  return success();
}

void ft::attachNormSteps(MLIRContext &context) { attachSteps<GradNormOp, emitGradNorm>(context); }
