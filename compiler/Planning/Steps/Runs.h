// Values of an operation that one product can take together.
#pragma once

#include "compiler/Planning/PlaceRequests.h"
#include "compiler/Planning/StepEmitter.h"

namespace ft {

/// A run [begin, end) of operands that one GEMM can take.
struct OperandRun {
  size_t begin, end;
  mlir::ValueRange of(mlir::ValueRange values) const { return values.slice(begin, end - begin); }
};

/// Splits weights into runs that lie below each other.
inline llvm::SmallVector<OperandRun> weightRuns(mlir::ValueRange weights, const SegmentLayout &values) {
  llvm::SmallVector<OperandRun> runs;
  for (size_t i = 0; i < weights.size(); ++i)
    if (i > 0 && values.place(weights[i - 1]).isAbove(values.place(weights[i])))
      runs.back().end = i + 1;
    else
      runs.push_back({i, i + 1});
  return runs;
}

/// Splits weight runs further where the values that go with the weights do not lie side by side, or are not of one
/// version.
inline llvm::SmallVector<OperandRun> gemmRuns(mlir::ValueRange weights, mlir::ValueRange sides,
                                              const SegmentLayout &values) {
  llvm::SmallVector<OperandRun> runs;
  for (OperandRun run : weightRuns(weights, values))
    for (size_t i = run.begin; i < run.end; ++i)
      if (i > run.begin && values.place(sides[i - 1]).isLeftOf(values.place(sides[i])) &&
          values.version(sides[i - 1]) == values.version(sides[i]))
        runs.back().end = i + 1;
      else
        runs.push_back({i, i + 1});
  return runs;
}

/// Asks that what goes with weights below each other lies side by side, so that it is one product's.
inline void requestRuns(mlir::ValueRange weights, mlir::ValueRange sides, PlaceRequests &requests) {
  for (OperandRun run : weightRuns(weights, requests.values))
    requests.sideBySide(run.of(sides));
}

/// The operands of a run as one: stacked rows of weights, or adjacent columns of activations.
inline PlaceUse stacked(PlaceUse first, mlir::ValueRange vs, const SegmentLayout &values) {
  for (mlir::Value v : vs.drop_front())
    first.place.rows += values.place(v).rows;
  return first;
}
inline PlaceUse widened(PlaceUse first, mlir::ValueRange vs, const SegmentLayout &values) {
  for (mlir::Value v : vs.drop_front())
    first.place.columns += values.place(v).columns;
  return first;
}

/// Adds the low-rank products of a linear, on numbers or on codes, to its results.
template <typename Linear> void emitLowRank(Linear linear, StepEmitter &out) {
  for (auto [s, b, target] : llvm::zip_equal(linear.getLowRank(), linear.getLowRankWeights(), linear.getLowRankOf())) {
    GemmSpec spec{out.reading(s), out.reading(b), out.updating(linear.getResults()[target])};
    spec.transB = true;
    out.gemm("low_rank", spec);
  }
}

} // namespace ft
