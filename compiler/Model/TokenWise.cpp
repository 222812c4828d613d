// Which operations of the forward part can be made for some tokens alone: all that compute a row out of the same row.
// Attention cannot, and neither can what looks tokens up in an input that has one element a token (embedding, rope).
#include "compiler/Model/SelectTargets.h"

#include "dialects/Ft/Ft.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

/// The same operation over fewer rows.
template <typename Op> Operation *cloneForTokens(Op op, OpBuilder &builder, IRMapping &there, Value rows) {
  const int64_t count = cast<RankedTensorType>(rows.getType()).getDimSize(0);
  Operation *made = builder.clone(*op, there);
  for (Value result : made->getResults()) {
    auto type = cast<RankedTensorType>(result.getType());
    SmallVector<int64_t> shape(type.getShape());
    shape.front() = count;
    result.setType(type.clone(shape));
  }
  return made;
}

/// The mask of a token is the one that it has among all.
Operation *dropoutForTokens(DropoutOp op, OpBuilder &builder, IRMapping &there, Value rows) {
  Value x = there.lookup(op.getX());
  return DropoutOp::create(builder, op.getLoc(), x.getType(), x, op.getKey(), op.getScalars(), rows, op.getP(),
                           op.getPaddingAttr());
}

bool inputOfLinear(LinearOp op, unsigned operand) {
  OpOperand &use = op->getOpOperand(operand);
  return use.get() == op.getX() || llvm::is_contained(op.getLowRank(), use.get());
}

template <typename Op> bool allOperands(Op, unsigned) { return true; }
template <typename Op> bool firstOperand(Op, unsigned operand) { return operand == 0; }

/// A model for `Op` out of the functions that answer its two questions.
template <typename Op, bool (*isOfTokens)(Op, unsigned),
          Operation *(*build)(Op, OpBuilder &, IRMapping &, Value) = cloneForTokens<Op>>
struct Model : TokenWise::ExternalModel<Model<Op, isOfTokens, build>, Op> {
  bool isTokenOperand(Operation *op, unsigned operand) const { return isOfTokens(cast<Op>(op), operand); }
  Operation *buildForTokens(Operation *op, OpBuilder &builder, IRMapping &there, Value rows) const {
    return build(cast<Op>(op), builder, there, rows);
  }
};

template <typename Op, bool (*isOfTokens)(Op, unsigned)> void attach(MLIRContext *context) {
  Op::template attachInterface<Model<Op, isOfTokens>>(*context);
}

} // namespace

void ft::registerTokenWise(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, FtDialect *) {
    attach<LinearOp, inputOfLinear>(context);
    attach<RmsNormOp, firstOperand<RmsNormOp>>(context);
    attach<AddBiasOp, firstOperand<AddBiasOp>>(context);
    attach<ScaleOp, firstOperand<ScaleOp>>(context);
    attach<CastOp, firstOperand<CastOp>>(context);
    attach<SwigluOp, allOperands<SwigluOp>>(context);
    attach<AddOp, allOperands<AddOp>>(context);
    DropoutOp::attachInterface<Model<DropoutOp, firstOperand<DropoutOp>, dropoutForTokens>>(*context);
  });
}
