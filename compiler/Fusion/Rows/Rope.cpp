// Rotary position embedding (Su et al., 2021) in Hugging Face's layout: element j of a head pairs with j + head_dim
// / 2.
#include "compiler/Fusion/Rows/Rows.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace ft::model;

namespace ft {

namespace {
struct Rotation {
  Value token, cos, sin;
  Type compute;
  int64_t half;
};
} // namespace

static void emitHead(RowEmitter &emitter, const Rotation &rotation, Value input, Value output, Value column) {
  RowBuilder &b = emitter.getBuilder();
  Value upper = arith::AddIOp::create(b, column, b.index(rotation.half));
  Value memory = emitter.getMemory(input);
  Value x = b.loadRow(memory, {rotation.token, column}, rotation.half, rotation.compute);
  Value y = b.loadRow(memory, {rotation.token, upper}, rotation.half, rotation.compute);
  emitter.defineAt(output, {rotation.token, column}, b.sub(b.mul(x, rotation.cos), b.mul(y, rotation.sin)));
  emitter.defineAt(output, {rotation.token, upper}, b.add(b.mul(y, rotation.cos), b.mul(x, rotation.sin)));
}

static LogicalResult emitRope(RopeOp op, RowEmitter &emitter) {
  RowBuilder &b = emitter.getBuilder();
  for (Value operand : op->getOperands())
    if (!emitter.getMemory(operand))
      return op.emitOpError("needs its operands in memory; one is computed in the same kernel");
  const int64_t headDim = op.getHeadDim();
  const int64_t groups = cast<RankedTensorType>(op.getK().getType()).getDimSize(1) / headDim;
  const int64_t heads = cast<RankedTensorType>(op.getQ().getType()).getDimSize(1) / headDim;
  Value group = arith::RemUIOp::create(b, emitter.getRowIndex(), b.index(groups));
  Rotation rotation;
  rotation.token = arith::DivUIOp::create(b, emitter.getRowIndex(), b.index(groups));
  rotation.compute = getComputeType(op);
  rotation.half = headDim / 2;
  Value position = b.loadIndex(emitter.getMemory(op.getPositions()), rotation.token);
  rotation.cos = b.loadRow(emitter.getMemory(op.getCos()), {position, b.index(0)}, rotation.half, rotation.compute);
  rotation.sin = b.loadRow(emitter.getMemory(op.getSin()), {position, b.index(0)}, rotation.half, rotation.compute);
  if (op.getInverse())
    rotation.sin = b.negate(rotation.sin);
  // Items of a token that run beside each other take heads beside each other.
  Value column = arith::MulIOp::create(b, group, b.index(headDim));
  for (int64_t head = 0; head < heads; head += groups)
    emitHead(emitter, rotation, op.getQ(), op.getQOut(), arith::AddIOp::create(b, column, b.index(head * headDim)));
  emitHead(emitter, rotation, op.getK(), op.getKOut(), column);
  return success();
}

/// None where the heads of q are no multiple of those of k.
static LogicalResult headGroups(Operation *operation, RowSpace &space) {
  auto op = cast<RopeOp>(operation);
  auto q = cast<RankedTensorType>(op.getQ().getType()), k = cast<RankedTensorType>(op.getK().getType());
  const int64_t heads = q.getDimSize(1) / op.getHeadDim(), groups = k.getDimSize(1) / op.getHeadDim();
  if (groups == 0 || heads % groups)
    return failure();
  space = {RowSpace::Kind::HeadGroups, q.getDimSize(0) * groups};
  return success();
}

void attachRopeModels(MLIRContext &context) { attachRowModel<RopeOp, emitRope, headGroups, firstOperands<2>>(context); }

} // namespace ft
