// Rows of a table: their gradient, and the one row of @generate. The lookup itself is row-wise and fused.
#include "compiler/Fusion/Programs/Programs.h"
#include "compiler/Planning/Steps/Steps.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

static LogicalResult emitEmbeddingGrad(EmbeddingGradOp grad, StepEmitter &out) {
  const Place &table = out.values.place(grad.getResult()), &source = out.values.place(grad.getGrad());
  const int64_t version = out.values.version(grad.getResult());
  int64_t before = out.startSum(grad);
  if (!before) {
    out.memset("clear", {table, 0, version});
    before = version;
  }
  const int64_t segments = out.values.place(grad.getIds()).columns;
  const RowProgram &program = out.kernels.get("embedding_grad", buildEmbeddingGrad, matrixOf(source), matrixOf(table),
                                              segments, static_cast<bool>(grad.getAccumulate()));
  out.launch("", program,
             {out.reading(grad.getGrad()),
              out.reading(grad.getPositions()),
              out.reading(grad.getStarts()),
              out.reading(grad.getIds()),
              {table, before, version}});
  return success();
}

static LogicalResult emitGatherRow(GatherRowOp gather, StepEmitter &out) {
  const Place &x = out.values.place(gather.getX()), &result = out.values.place(gather.getResult());
  const RowProgram &program = out.kernels.get("gather_row", buildGatherRow, matrixOf(x), result.elementType);
  out.launch("", program,
             {out.reading(gather.getX()), out.reading(gather.getIndex()), out.writing(gather.getResult())});
  return success();
}

void ft::attachEmbeddingSteps(MLIRContext &context) {
  attachSteps<EmbeddingGradOp, emitEmbeddingGrad>(context);
  attachInPlace<EmbeddingGradOp, sumInPlace<EmbeddingGradOp>>(context);
  attachSteps<GatherRowOp, emitGatherRow>(context);
}
