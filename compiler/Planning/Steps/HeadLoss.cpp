// Head and loss, chunk by chunk over tokens: logits of a chunk, loss and dlogits in place, dX, dW. No plan holds
// tokens × vocabulary.
#include "compiler/Fusion/Programs/Programs.h"
#include "compiler/Planning/Steps/Steps.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {
struct HeadValues {
  Value x, weight, labels, scalars, loss, dx, dw; ///< dx and dw null where they are not wanted
  Value lossScale;                                ///< null where gradients are not scaled
  Accumulating sum;                               ///< the operation that makes dw
};
} // namespace

static void emitChunks(StepEmitter &out, const HeadValues &head) {
  SegmentLayout &values = out.values;
  const Place &x = values.place(head.x), &weight = values.place(head.weight), &labels = values.place(head.labels);
  int64_t tokens = x.rows, chunk = std::min(tokens, out.options.headChunkTokens);
  Type statistic = getComputeType(x.elementType);
  // Logits of bf16 models are bf16 (docs/numerics.md): the type of the activations.
  Place logits = values.scratch("logits", chunk, weight.rows, x.elementType);
  Place nll = values.scratch("nll", 1, tokens, statistic);
  int64_t nllVersion = values.freshVersion();
  PlaceUse scalars{values.place(head.scalars), values.version(head.scalars), 0};
  for (int64_t begin = 0; begin < tokens; begin += chunk) {
    int64_t rows = std::min(chunk, tokens - begin);
    int64_t logitsVersion = values.freshVersion(), gradVersion = values.freshVersion();
    PlaceUse xChunk{x.slice(begin, rows, 0, x.columns), values.version(head.x), 0};
    PlaceUse weights{weight, values.version(head.weight), 0};
    Place current = logits.slice(0, rows, 0, logits.columns);
    GemmSpec forward{xChunk, weights, {current, 0, logitsVersion}};
    forward.transB = true;
    out.gemm("logits", forward);

    MatrixLayout layout = matrixOf(current);
    bool gradient = static_cast<bool>(head.dx);
    StringRef name = gradient ? "head_loss_grad" : "head_loss";
    const RowProgram &program = out.kernels.get(name, buildHeadLoss, layout, gradient, bool(head.lossScale));
    SmallVector<PlaceUse> uses{{current, logitsVersion, gradVersion},
                               {labels.slice(0, 1, begin, rows), values.version(head.labels), 0},
                               scalars,
                               {nll.slice(0, 1, begin, rows), 0, nllVersion}};
    if (head.lossScale)
      uses.push_back(out.reading(head.lossScale));
    out.launch("loss", program, uses);
    if (!gradient)
      continue;
    const Place &dx = values.place(head.dx);
    out.gemm("dx",
             {{current, gradVersion, 0}, weights, {dx.slice(begin, rows, 0, dx.columns), 0, values.version(head.dx)}});
    if (!head.dw)
      continue;
    GemmSpec dw{{current, gradVersion, 0}, xChunk, {values.place(head.dw), 0, values.version(head.dw)}};
    dw.transA = true;
    dw.d.read = begin > 0 ? values.version(head.dw) : out.startSum(head.sum);
    out.gemm("dw", dw);
  }
  const RowProgram &sum = out.kernels.get("loss_sum", buildLossSum, tokens, statistic);
  out.launch("sum", sum, {{nll, nllVersion, 0}, scalars, {values.place(head.loss), 0, values.version(head.loss)}});
}

static LogicalResult emitHeadLoss(HeadLossOp head, StepEmitter &out) {
  emitChunks(
      out,
      {head.getX(), head.getWeight(), head.getLabels(), head.getScalars(), head.getLoss(), {}, {}, {}, Accumulating()});
  return success();
}

static LogicalResult emitHeadLossGrad(HeadLossGradOp head, StepEmitter &out) {
  emitChunks(out, {head.getX(), head.getWeight(), head.getLabels(), head.getScalars(), head.getLoss(), head.getDx(),
                   head.getDw(), head.getLossScale(), head});
  return success();
}

void ft::attachHeadLossSteps(MLIRContext &context) {
  attachSteps<HeadLossOp, emitHeadLoss>(context);
  attachSteps<HeadLossGradOp, emitHeadLossGrad>(context);
  attachInPlace<HeadLossGradOp, sumInPlace<HeadLossGradOp>>(context);
}
