// SwiGLU (Shazeer, "GLU variants improve Transformer", 2020): silu(gate) · up with silu(x) = x · sigmoid(x).
#include "compiler/Fusion/Rows/Rows.h"

using namespace mlir;
using namespace ft::model;

namespace ft {

static LogicalResult emitSwiglu(SwigluOp op, RowEmitter &emitter) {
  RowBuilder &b = emitter.getBuilder();
  Type compute = getComputeType(op);
  Value gate = emitter.row(op.getGate(), compute);
  emitter.define(op.getResult(), b.mul(b.mul(gate, b.sigmoid(gate)), emitter.row(op.getUp(), compute)));
  return success();
}

/// silu'(x) = s · (1 + x · (1 − s)), s = sigmoid(x).
static LogicalResult emitSwigluBackward(SwigluBwdOp op, RowEmitter &emitter) {
  RowBuilder &b = emitter.getBuilder();
  Type compute = getComputeType(op);
  Value grad = emitter.row(op.getGrad(), compute), gate = emitter.row(op.getGate(), compute);
  Value up = emitter.row(op.getUp(), compute);
  Value sigmoid = b.sigmoid(gate), one = b.number(1.0, gate.getType());
  Value slope = b.mul(sigmoid, b.add(one, b.mul(gate, b.sub(one, sigmoid))));
  emitter.define(op.getDGate(), b.mul(b.mul(grad, up), slope));
  emitter.define(op.getDUp(), b.mul(grad, b.mul(gate, sigmoid)));
  return success();
}

void attachSwigluModels(MLIRContext &context) {
  attachRowModel<SwigluOp, emitSwiglu, rowsOfResult, firstOperands<2>>(context);
  attachRowModel<SwigluBwdOp, emitSwigluBackward, rowsOfResult, firstOperands<3>>(context);
}

} // namespace ft
