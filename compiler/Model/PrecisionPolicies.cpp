// Which types each operation of the forward part takes, and which operands a product wants in its own type.
#include "compiler/Model/PrecisionTable.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

void linear(LinearOp op, PrecisionTable &table) {
  table.readCopies(op.getWeightsMutable());
  table.readCopies(op.getLowRankWeightsMutable());
  table.work(op.getResults());
}

/// The loss is f64 in every mode.
void headLoss(HeadLossOp op, PrecisionTable &table) {
  table.head(op.getWeight());
  table.readCopy(op.getWeightMutable());
}

void rmsNorm(RmsNormOp op, PrecisionTable &table) {
  table.work(op.getY());
  table.statistic(op.getRstd());
}

void attention(AttentionOp op, PrecisionTable &table) {
  table.work(op.getO());
  table.statistic(op.getLse());
}

/// A product in 16 bits leaves as f32, and is rounded with its bias, once. Rounded before as well, all tokens whose
/// products have one exponent would round the bias alike, and an average over them, which attention makes of v, keeps
/// that error where it loses all others.
void addBias(AddBiasOp op, PrecisionTable &table) {
  Value x = op.getX();
  const Type wanted = x.getType();
  if (x.getDefiningOp<LinearOp>() && x.hasOneUse())
    table.statistic(x);
  table.like(op.getResult(), x);
  if (x.getType() == wanted)
    return;
  OpBuilder builder(op->getContext());
  builder.setInsertionPointAfter(op);
  auto rounded = CastOp::create(builder, op.getLoc(), wanted, op.getResult());
  op.getResult().replaceAllUsesExcept(rounded.getResult(), rounded);
}

template <typename Op> void residual(Op op, PrecisionTable &table) { table.residual(op.getResult()); }
template <typename Op> void work(Op op, PrecisionTable &table) { table.work(op->getResults()); }
template <typename Op> void same(Op op, PrecisionTable &table) { table.like(op.getResult(), op.getX()); }

/// A model for `Op` out of a function `void apply(Op, PrecisionTable &)`.
template <typename Op, void (*apply)(Op, PrecisionTable &)>
struct Policy : PrecisionPolicy::ExternalModel<Policy<Op, apply>, Op> {
  void applyPrecision(Operation *op, PrecisionTable &table) const { apply(cast<Op>(op), table); }
};

template <typename Op, void (*apply)(Op, PrecisionTable &)> void attach(MLIRContext *context) {
  Op::template attachInterface<Policy<Op, apply>>(*context);
}

} // namespace

void ft::registerPrecisionPolicies(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, FtDialect *) {
    attach<LinearOp, linear>(context);
    attach<HeadLossOp, headLoss>(context);
    attach<RmsNormOp, rmsNorm>(context);
    attach<AttentionOp, attention>(context);
    attach<EmbeddingOp, residual<EmbeddingOp>>(context);
    attach<AddOp, residual<AddOp>>(context);
    attach<AddBiasOp, addBias>(context);
    attach<ScaleOp, same<ScaleOp>>(context);
    attach<SwigluOp, work<SwigluOp>>(context);
    attach<RopeOp, work<RopeOp>>(context);
    attach<DropoutOp, same<DropoutOp>>(context);
    attach<GatherRowOp, same<GatherRowOp>>(context);
  });
}
