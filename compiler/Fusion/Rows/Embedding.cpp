// Rows chosen at run time: of the embedding's table by token id, of the activations by index.
#include "compiler/Fusion/Rows/Rows.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

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

static LogicalResult emitGatherRows(GatherRowsOp op, RowEmitter &emitter) {
  RowBuilder &b = emitter.getBuilder();
  Value matrix = emitter.getMemory(op.getX()), rows = emitter.getMemory(op.getRows());
  if (!matrix || !rows)
    return op.emitOpError("needs its matrix and rows in memory; they are computed in the same kernel");
  auto type = cast<RankedTensorType>(op.getX().getType());
  Value row = b.loadIndex(rows, emitter.getRowIndex());
  emitter.define(op.getResult(), b.loadRow(matrix, {row, b.index(0)}, type.getDimSize(1), type.getElementType()));
  return success();
}

/// A row without a slot loads the last one for nothing: it is the same for all of them, and stays in the cache.
static LogicalResult emitScatterRows(ScatterRowsOp op, RowEmitter &emitter) {
  RowBuilder &b = emitter.getBuilder();
  Value matrix = emitter.getMemory(op.getX()), slots = emitter.getMemory(op.getSlots());
  if (!matrix || !slots)
    return op.emitOpError("needs its matrix and slots in memory; they are computed in the same kernel");
  auto type = cast<RankedTensorType>(op.getX().getType());
  const int64_t rows = type.getDimSize(0), columns = type.getDimSize(1);
  Value slot = b.loadIndex(slots, emitter.getRowIndex());
  Value isThere = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, slot, b.index(rows));
  Value row = arith::MinUIOp::create(b, slot, b.index(rows - 1));
  Value loaded = b.loadRow(matrix, {row, b.index(0)}, columns, getComputeType(op));
  emitter.define(op.getResult(), b.select(isThere, loaded, b.number(0.0, loaded.getType())));
  return success();
}

void attachEmbeddingModels(MLIRContext &context) {
  attachRowModel<EmbeddingOp, emitEmbedding, rowsOfResult, noOperand>(context);
  attachRowModel<GatherRowOp, emitGatherRow, rowsOfResult, noOperand>(context);
  attachRowModel<GatherRowsOp, emitGatherRows, rowsOfResult, noOperand>(context);
  attachRowModel<ScatterRowsOp, emitScatterRows, rowsOfResult, noOperand>(context);
}

} // namespace ft
