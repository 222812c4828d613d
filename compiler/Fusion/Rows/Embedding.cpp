// Rows chosen at run time: of the embedding's table by token id, of the activations by index.
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

static LogicalResult emitGatherRow(GatherRowOp op, RowEmitter &emitter) {
  RowBuilder &b = emitter.getBuilder();
  Value matrix = emitter.getMemory(op.getX()), index = emitter.getMemory(op.getIndex());
  if (!matrix || !index)
    return op.emitOpError("needs its matrix and index in memory; they are computed in the same kernel");
  auto type = cast<RankedTensorType>(op.getX().getType());
  Value row = b.loadIndex(index, b.index(0));
  emitter.define(op.getResult(), b.loadRow(matrix, {row, b.index(0)}, type.getDimSize(1), type.getElementType()));
  return success();
}

void attachEmbeddingModels(MLIRContext &context) {
  attachRowModel<EmbeddingOp, emitEmbedding, rowsOfResult, noOperand>(context);
  attachRowModel<GatherRowOp, emitGatherRow, rowsOfResult, noOperand>(context);
}

} // namespace ft
