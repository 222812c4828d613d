// A fused kernel: one launch.
#include "compiler/Planning/Steps/Steps.h"

using namespace mlir;
using namespace ft;

static RowOperand rowOperand(Value v, const Place &place, int64_t alias) {
  auto type = cast<RankedTensorType>(v.getType());
  return {place.elementType, SmallVector<int64_t>(type.getShape()), place.pitch, alias};
}

static LogicalResult emitFused(kernel::FusedOp fused, StepEmitter &out) {
  const SegmentLayout &values = out.values;
  SmallVector<RowOperand> layouts;
  for (Value v : fused->getOperands())
    layouts.push_back(rowOperand(v, values.place(v), -1));
  for (Value v : fused->getResults())
    layouts.push_back(rowOperand(v, values.place(v), values.aliasOf(v)));
  FailureOr<const FusedProgram *> program = out.kernels.get(fused, layouts);
  if (failed(program))
    return failure();
  SmallVector<PlaceUse> uses((*program)->access.size());
  for (auto [i, v] : llvm::enumerate(fused->getOperands()))
    uses[(*program)->argumentOf[i]] = out.reading(v);
  for (auto [j, v] : llvm::enumerate(fused->getResults())) {
    PlaceUse &use = uses[(*program)->argumentOf[fused->getNumOperands() + j]];
    int64_t read = values.aliasOf(v) >= 0 ? use.read : 0;
    use = {values.place(v), read, values.version(v)};
  }
  out.launch("", **program, uses);
  return success();
}

static void findPairs(kernel::FusedOp fused, InPlacePairs &pairs) {
  llvm::append_range(pairs, inPlaceCandidates(fused));
}

void ft::attachFusedSteps(MLIRContext &context) {
  attachSteps<kernel::FusedOp, emitFused>(context);
  attachInPlace<kernel::FusedOp, findPairs>(context);
}
