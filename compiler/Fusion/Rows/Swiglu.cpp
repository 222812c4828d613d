// Gated projections (Shazeer, "GLU variants improve Transformer", 2020): act(gate) · up with act(x) = x ·
// sigmoid(a(x)). The tanh form of gelu is of this kind, since (1 + tanh z) / 2 = sigmoid(2z).
#include "compiler/Fusion/Rows/Rows.h"

#include <cmath>
#include <numbers>

using namespace mlir;
using namespace ft::model;

namespace ft {

static const double geluFirst = 2 * std::sqrt(2 / std::numbers::pi), geluThird = geluFirst * 0.044715;

/// a(x); null where it is x itself.
static Value argumentOf(RowBuilder &b, Value x, Activation activation) {
  if (activation == Activation::Silu)
    return x;
  Value cubic = b.mul(b.mul(x, x), b.number(geluThird, x.getType()));
  return b.mul(x, b.add(b.number(geluFirst, x.getType()), cubic));
}

/// y · a'(x).
static Value timesSlope(RowBuilder &b, Value y, Value x, Activation activation) {
  if (activation == Activation::Silu)
    return y;
  // Not from the square that a(x) has: it would be kept until here.
  Value cubic = b.mul(b.mul(x, b.number(3 * geluThird, x.getType())), x);
  return b.mul(y, b.add(b.number(geluFirst, x.getType()), cubic));
}

static LogicalResult emitSwiglu(SwigluOp op, RowEmitter &emitter) {
  RowBuilder &b = emitter.getBuilder();
  Type compute = getComputeType(op);
  Value gate = emitter.row(op.getGate(), compute);
  Value sigmoid = b.sigmoid(argumentOf(b, gate, op.getActivation()));
  emitter.define(op.getResult(), b.mul(b.mul(gate, sigmoid), emitter.row(op.getUp(), compute)));
  return success();
}

/// act'(x) = s · (1 + x · (1 − s) · a'(x)), s = sigmoid(a(x)).
static LogicalResult emitSwigluBackward(SwigluBwdOp op, RowEmitter &emitter) {
  RowBuilder &b = emitter.getBuilder();
  Type compute = getComputeType(op);
  Value grad = emitter.row(op.getGrad(), compute), gate = emitter.row(op.getGate(), compute);
  Value up = emitter.row(op.getUp(), compute);
  Value sigmoid = b.sigmoid(argumentOf(b, gate, op.getActivation())), one = b.number(1.0, gate.getType());
  Value inner = timesSlope(b, b.mul(gate, b.sub(one, sigmoid)), gate, op.getActivation());
  Value slope = b.mul(sigmoid, b.add(one, inner));
  emitter.define(op.getDGate(), b.mul(b.mul(grad, up), slope));
  emitter.define(op.getDUp(), b.mul(grad, b.mul(gate, sigmoid)));
  return success();
}

void attachSwigluModels(MLIRContext &context) {
  attachRowModel<SwigluOp, emitSwiglu, rowsOfResult, firstOperands<2>>(context);
  attachRowModel<SwigluBwdOp, emitSwigluBackward, rowsOfResult, firstOperands<3>>(context);
}

} // namespace ft
