// One row of the table per token.
#include "compiler/Fusion/Rows/Rows.h"

using namespace mlir;
using namespace ft::model;

namespace ft {

static LogicalResult emitEmbedding(EmbeddingOp op, RowEmitter &emitter) {
  RowBuilder &b = emitter.getBuilder();
  Value table = emitter.getMemory(op.getTable()), ids = emitter.getMemory(op.getIds());
  if (!table || !ids)
    return op.emitOpError("needs its table and ids in memory; they are computed in the same kernel");
  auto type = cast<RankedTensorType>(op.getTable().getType());
  Value id = b.loadIndex(ids, emitter.getRowIndex());
  emitter.define(op.getResult(), b.loadRow(table, {id, b.index(0)}, type.getDimSize(1), type.getElementType()));
  return success();
}

void attachEmbeddingModels(MLIRContext &context) { attachRowModel<EmbeddingOp, emitEmbedding>(context); }

} // namespace ft
