// Linears and their derivatives. A group of linears is one GEMM over all of its weights' rows where they lie below
// each other and what goes with them lies side by side; adapters are folded into it where they lie in the weights'
// border (Borders.h), and are GEMMs of their own elsewhere.
#include "compiler/Planning/Steps/Runs.h"
#include "compiler/Planning/Steps/Steps.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

/// Columns of the border that the linear's weights share with its adapters, 0 where there is none.
int64_t borderColumns(LinearOp linear, const SegmentLayout &values) {
  if (linear.getLowRank().empty())
    return 0;
  const Place &weight = values.place(linear.getWeights()[0]), &up = values.place(linear.getLowRankWeights()[0]);
  return weight.buffer == up.buffer ? weight.pitch - weight.columns : 0;
}

/// One GEMM over [x | s] and [W | B]; s is copied behind x under x's version, neighbours at once. By a kernel: a copy
/// engine takes three times as long for rows of so few bytes.
void emitFolded(LinearOp linear, const Place &border, StepEmitter &out) {
  const SegmentLayout &values = out.values;
  ValueRange lowRank = linear.getLowRank();
  int64_t column = 0;
  for (size_t begin = 0, end; begin < lowRank.size(); begin = end) {
    for (end = begin + 1; end < lowRank.size(); ++end)
      if (!values.place(lowRank[end - 1]).isLeftOf(values.place(lowRank[end])))
        break;
    PlaceUse from = widened(out.reading(lowRank[begin]), lowRank.slice(begin, end - begin), values);
    out.convert("border", from,
                {border.slice(0, border.rows, column, from.place.columns), 0, values.version(linear.getX())});
    column += from.place.columns;
  }
  GemmSpec spec;
  spec.a = out.reading(linear.getX());
  spec.a.place.columns += border.columns;
  spec.b = stacked(out.reading(linear.getWeights()[0]), linear.getWeights(), values);
  spec.b.place.columns += border.columns;
  spec.d = widened(out.writing(linear.getResults()[0]), linear.getResults(), values);
  spec.transB = true;
  out.gemm("folded", spec);
}

LogicalResult emitLinear(LinearOp linear, StepEmitter &out) {
  const SegmentLayout &values = out.values;
  const double alpha = linear.getAlpha().convertToDouble();
  const SmallVector<OperandRun> runs = gemmRuns(linear.getWeights(), linear.getResults(), values);
  const int64_t columns = borderColumns(linear, values);
  std::optional<Place> border = columns ? values.border(linear.getX()) : std::nullopt;
  if (border && border->columns == columns && alpha == 1 && runs.size() == 1) {
    emitFolded(linear, *border, out);
    return success();
  }
  for (OperandRun run : runs) {
    ValueRange weights = run.of(linear.getWeights()), results = run.of(linear.getResults());
    GemmSpec spec;
    spec.a = out.reading(linear.getX());
    spec.b = stacked(out.reading(weights[0]), weights, values);
    spec.d = widened(out.writing(results[0]), results, values);
    spec.transB = true;
    spec.alpha = alpha;
    out.gemm("", spec);
  }
  emitLowRank(linear, out);
  return success();
}

void placeLinear(LinearOp linear, PlaceRequests &requests) {
  if (int64_t columns = borderColumns(linear, requests.values))
    requests.border(linear.getX(), columns);
  requestRuns(linear.getWeights(), linear.getResults(), requests);
}

LogicalResult emitBackwardInput(LinearBwdInputOp backward, StepEmitter &out) {
  bool first = true;
  for (OperandRun run : gemmRuns(backward.getWeights(), backward.getGrads(), out.values)) {
    ValueRange weights = run.of(backward.getWeights()), grads = run.of(backward.getGrads());
    GemmSpec spec;
    spec.a = widened(out.reading(grads[0]), grads, out.values);
    spec.b = stacked(out.reading(weights[0]), weights, out.values);
    spec.d = first ? out.writing(backward.getDx()) : out.updating(backward.getDx());
    spec.alpha = backward.getAlpha().convertToDouble();
    out.gemm("", spec);
    first = false;
  }
  return success();
}

void placeBackwardInput(LinearBwdInputOp backward, PlaceRequests &requests) {
  requestRuns(backward.getWeights(), backward.getGrads(), requests);
}

/// True if the gradients of two weights are one product: of one x, with what it is multiplied by side by side and the
/// results below each other.
bool isOneWith(LinearBwdWeightOp first, LinearBwdWeightOp second, const SegmentLayout &values) {
  auto startOf = [&](Accumulating op) { return op.getStart() ? values.version(op.getStart()) : 0; };
  auto startsInPlace = [&](LinearBwdWeightOp op) {
    return !cast<Accumulating>(*op).getStart() || values.aliasOf(op.getDw()) >= 0;
  };
  return first.getX() == second.getX() && first.getAlpha() == second.getAlpha() &&
         startOf(cast<Accumulating>(*first)) == startOf(cast<Accumulating>(*second)) && startsInPlace(first) &&
         startsInPlace(second) && values.place(first.getGrad()).isLeftOf(values.place(second.getGrad())) &&
         values.version(first.getGrad()) == values.version(second.getGrad()) &&
         values.place(first.getDw()).isAbove(values.place(second.getDw())) &&
         values.version(first.getDw()) == values.version(second.getDw());
}

/// The gradient of the weight before this one in the block, or behind it; null where something else is computed there.
LinearBwdWeightOp neighbour(LinearBwdWeightOp op, bool behind) {
  Operation *other = op;
  do
    other = behind ? other->getNextNode() : other->getPrevNode();
  while (isa_and_nonnull<ReadOp, ViewOp>(other));
  return dyn_cast_or_null<LinearBwdWeightOp>(other);
}

/// One product for all neighbours that can be one, with the first of them: x is read once.
LogicalResult emitBackwardWeight(LinearBwdWeightOp backward, StepEmitter &out) {
  if (LinearBwdWeightOp before = neighbour(backward, false); before && isOneWith(before, backward, out.values))
    return success();
  SmallVector<Value> grads{backward.getGrad()}, results{backward.getDw()};
  for (LinearBwdWeightOp last = backward, next; (next = neighbour(last, true)) && isOneWith(last, next, out.values);
       last = next) {
    grads.push_back(next.getGrad());
    results.push_back(next.getDw());
  }
  GemmSpec spec{widened(out.reading(grads[0]), grads, out.values), out.reading(backward.getX()),
                stacked(out.writing(results[0]), results, out.values)};
  spec.d.read = out.startSum(backward);
  spec.transA = true;
  spec.alpha = backward.getAlpha().convertToDouble();
  out.gemm("", spec);
  return success();
}

} // namespace

void ft::attachProductSteps(MLIRContext &context) {
  attachSteps<LinearOp, emitLinear>(context);
  attachPlacement<LinearOp, placeLinear>(context);
  attachSteps<LinearBwdInputOp, emitBackwardInput>(context);
  attachPlacement<LinearBwdInputOp, placeBackwardInput>(context);
  attachSteps<LinearBwdWeightOp, emitBackwardWeight>(context);
  attachInPlace<LinearBwdWeightOp, sumInPlace<LinearBwdWeightOp>>(context);
}
