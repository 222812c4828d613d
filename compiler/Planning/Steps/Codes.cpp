// Products of codes, whose adapters are GEMMs of their own that add to what the product wrote, and the transposes that
// their derivatives read.
#include "compiler/Planning/Steps/Runs.h"
#include "compiler/Planning/Steps/Steps.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

LogicalResult emitScaledLinear(ScaledLinearOp linear, StepEmitter &out) {
  const SegmentLayout &values = out.values;
  for (OperandRun run : gemmRuns(linear.getWeights(), linear.getResults(), values)) {
    ValueRange weights = run.of(linear.getWeights()), results = run.of(linear.getResults());
    ValueRange scales = run.of(linear.getWeightScales());
    GemmSpec spec;
    spec.a = out.reading(linear.getX());
    spec.b = stacked(out.reading(weights[0]), weights, values);
    spec.d = widened(out.writing(results[0]), results, values);
    spec.transB = true;
    spec.scaleA = out.reading(linear.getXScale());
    spec.scaleB = widened(out.reading(scales[0]), scales, values);
    spec.fastAccumulation = true;
    out.gemm("", spec);
  }
  emitLowRank(linear, out);
  return success();
}

void placeScaledLinear(ScaledLinearOp linear, PlaceRequests &requests) {
  requestRuns(linear.getWeights(), linear.getResults(), requests);
}

/// Sums are added up in f32 to the end: a gradient's terms cancel.
LogicalResult emitScaledBackward(ScaledLinearBwdInputOp backward, StepEmitter &out) {
  const SegmentLayout &values = out.values;
  ValueRange grads = backward.getGrads();
  for (size_t i = 1; i < grads.size(); ++i)
    if (!values.place(grads[i - 1]).isLeftOf(values.place(grads[i])))
      return backward.emitOpError("has gradients that do not lie side by side; one product reads them");
  GemmSpec spec;
  spec.a = widened(out.reading(grads[0]), grads, values);
  spec.b = out.reading(backward.getWeights());
  spec.d = out.writing(backward.getDx());
  spec.transB = true;
  spec.scaleA = out.reading(backward.getGradScale());
  spec.scaleB = out.reading(backward.getWeightScale());
  out.gemm("", spec);
  for (OperandRun run : gemmRuns(backward.getLowRankWeights(), backward.getLowRank(), values)) {
    ValueRange weights = run.of(backward.getLowRankWeights()), ds = run.of(backward.getLowRank());
    out.gemm("low_rank", {widened(out.reading(ds[0]), ds, values), stacked(out.reading(weights[0]), weights, values),
                          out.updating(backward.getDx())});
  }
  return success();
}

void placeScaledBackward(ScaledLinearBwdInputOp backward, PlaceRequests &requests) {
  requests.sideBySide(backward.getGrads());
  requestRuns(backward.getLowRankWeights(), backward.getLowRank(), requests);
}

LogicalResult emitTranspose(TransposeOp transpose, StepEmitter &out) {
  int64_t column = 0;
  for (OperandRun run : weightRuns(transpose.getWeights(), out.values)) {
    ValueRange weights = run.of(transpose.getWeights());
    const PlaceUse from = stacked(out.reading(weights[0]), weights, out.values);
    PlaceUse to = out.writing(transpose.getResult());
    to.place = to.place.slice(0, to.place.rows, column, from.place.rows);
    out.transpose("", from, to);
    column += from.place.rows;
  }
  return success();
}

} // namespace

void ft::attachCodeSteps(MLIRContext &context) {
  attachSteps<ScaledLinearOp, emitScaledLinear>(context);
  attachPlacement<ScaledLinearOp, placeScaledLinear>(context);
  attachSteps<ScaledLinearBwdInputOp, emitScaledBackward>(context);
  attachPlacement<ScaledLinearBwdInputOp, placeScaledBackward>(context);
  attachSteps<TransposeOp, emitTranspose>(context);
}
