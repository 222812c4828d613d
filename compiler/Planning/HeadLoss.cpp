// Head and loss, chunk by chunk over tokens: logits of a chunk, loss and dlogits in place, dX, dW. No plan holds
// tokens × vocabulary.
#include "compiler/Fusion/Programs/Programs.h"
#include "compiler/Planning/Composites.h"

#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace ft;

static std::string layoutKey(StringRef name, const MatrixLayout &layout) {
  std::string key;
  llvm::raw_string_ostream(key) << name << layout.type << layout.rows << "x" << layout.columns << "/" << layout.pitch;
  return key;
}

namespace {
struct HeadValues {
  Value x, weight, labels, scalars, loss, dx, dw, accumulate;
};
} // namespace

static void emitChunks(StepEmitter &out, SegmentLayout &values, const HeadValues &head) {
  const Place &x = values.place(head.x), &weight = values.place(head.weight), &labels = values.place(head.labels);
  int64_t tokens = x.rows, chunk = std::min(tokens, out.options.headChunkTokens);
  Type statistic = getComputeType(x.elementType);
  // Logits of bf16 models are bf16 (numerics.md): the type of the activations.
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
    const RowProgram &program = out.kernels.get(name, layoutKey(name, layout), [&](OpBuilder &b, StringRef n) {
      return buildHeadLoss(b, n, layout, gradient);
    });
    out.launch("loss", program,
               {{current, logitsVersion, gradVersion},
                {labels.slice(0, 1, begin, rows), values.version(head.labels), 0},
                scalars,
                {nll.slice(0, 1, begin, rows), 0, nllVersion}});
    if (!gradient)
      continue;
    const Place &dx = values.place(head.dx);
    out.gemm("dx",
             {{current, gradVersion, 0}, weights, {dx.slice(begin, rows, 0, dx.columns), 0, values.version(head.dx)}});
    if (!head.dw)
      continue;
    GemmSpec dw{{current, gradVersion, 0}, xChunk, {values.place(head.dw), 0, values.version(head.dw)}};
    dw.transA = true;
    if (begin > 0)
      dw.d.read = values.version(head.dw);
    else if (head.accumulate) {
      if (values.aliasOf(head.dw) < 0)
        out.copy("accumulate", {values.place(head.accumulate), values.version(head.accumulate), 0}, dw.d);
      dw.d.read = values.aliasOf(head.dw) < 0 ? dw.d.write : values.version(head.accumulate);
    }
    out.gemm("dw", dw);
  }
  std::string key = layoutKey("loss_sum", {statistic, 1, tokens, tokens});
  const RowProgram &sum = out.kernels.get(
      "loss_sum", key, [&](OpBuilder &b, StringRef n) { return buildLossSum(b, n, tokens, statistic); });
  out.launch("sum", sum, {{nll, nllVersion, 0}, scalars, {values.place(head.loss), 0, values.version(head.loss)}});
}

LogicalResult ft::emitHeadLoss(StepEmitter &out, SegmentLayout &values, model::HeadLossOp head) {
  emitChunks(out, values,
             {head.getX(), head.getWeight(), head.getLabels(), head.getScalars(), head.getLoss(), {}, {}, {}});
  return success();
}

LogicalResult ft::emitHeadLossGrad(StepEmitter &out, SegmentLayout &values, model::HeadLossGradOp head) {
  emitChunks(out, values,
             {head.getX(), head.getWeight(), head.getLabels(), head.getScalars(), head.getLoss(), head.getDx(),
              head.getDw(), head.getAccumulate()});
  return success();
}

LogicalResult ft::emitEmbeddingGrad(StepEmitter &out, SegmentLayout &values, model::EmbeddingGradOp grad) {
  const Place &table = values.place(grad.getResult()), &source = values.place(grad.getGrad());
  int64_t version = values.version(grad.getResult());
  bool accumulate = static_cast<bool>(grad.getAccumulate());
  if (!accumulate)
    out.memset("clear", {table, 0, version});
  else if (values.aliasOf(grad.getResult()) < 0)
    out.copy("accumulate", {values.place(grad.getAccumulate()), values.version(grad.getAccumulate()), 0},
             {table, 0, version});
  MatrixLayout from = matrixOf(source), to = matrixOf(table);
  int64_t segments = values.place(grad.getIds()).columns;
  std::string key = layoutKey(layoutKey(accumulate ? "embedding_grad+" : "embedding_grad", from), to);
  const RowProgram &program = out.kernels.get("embedding_grad", key, [&](OpBuilder &b, StringRef n) {
    return buildEmbeddingGrad(b, n, from, to, segments, accumulate);
  });
  auto reading = [&](Value v) { return PlaceUse{values.place(v), values.version(v), 0}; };
  int64_t before = accumulate && values.aliasOf(grad.getResult()) >= 0 ? values.version(grad.getAccumulate()) : version;
  out.launch("", program,
             {reading(grad.getGrad()),
              reading(grad.getPositions()),
              reading(grad.getStarts()),
              reading(grad.getIds()),
              {table, before, version}});
  return success();
}
