// Rows in FP8: one largest magnitude over all matrices of the operation, whose product is one.
#include "compiler/Fusion/Codes.h"
#include "compiler/Fusion/Rows/Rows.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace ft::model;

namespace ft {

namespace {

struct QuantizeRowsModel : RowWise::ExternalModel<QuantizeRowsModel, QuantizeRowsOp> {
  LogicalResult getRowSpace(Operation *op, RowSpace &space) const { return rowsOfResult(op, space); }
  bool isRowOperand(Operation *op, unsigned operand) const { return operand < cast<QuantizeRowsOp>(op).getX().size(); }

  LogicalResult emitRow(Operation *operation, RowEmitter &emitter) const {
    auto op = cast<QuantizeRowsOp>(operation);
    RowBuilder &b = emitter.getBuilder();
    Type f32 = b.getF32Type();
    SmallVector<Value> rows;
    Value largest;
    for (auto [i, x] : llvm::enumerate(op.getX())) {
      Value row = emitter.row(x, f32);
      if (!op.getFold().empty())
        row = b.mul(row, emitter.shared(op.getFold()[i], f32));
      rows.push_back(row);
      Value own = b.max(math::AbsFOp::create(b, row));
      largest = largest ? Value(arith::MaxNumFOp::create(b, largest, own)) : own;
    }
    Value scale = fp8Scale(b, largest), inverse = b.div(b.number(1.0, f32), scale);
    emitter.define(op.getScale(), scale);
    for (auto [row, codes] : llvm::zip(rows, op.getCodes()))
      emitter.defineAt(codes, {emitter.getRowIndex(), b.index(0)}, toE4m3(b, b.mul(row, inverse)));
    return success();
  }
};

} // namespace

void attachCodeModels(MLIRContext &context) { QuantizeRowsOp::attachInterface<QuantizeRowsModel>(context); }

} // namespace ft
