#include "dialects/Ft/Verify.h"

#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;
using namespace ft::model;

static constexpr double infinity = std::numeric_limits<double>::infinity();

LogicalResult AddScalarOp::verify() {
  for (Value scalar : {Value(getLhs()), Value(getRhs()), Value(getResult())})
    if (failed(checkShape(*this, "C1", "scalar", scalar, {1})))
      return failure();
  return success();
}

LogicalResult CheckFiniteOp::verify() {
  if (failed(checkShape(*this, "C1", "value", getValue(), {1})) ||
      failed(checkShape(*this, "C2", "status", getStatus(), {4})) ||
      failed(checkShape(*this, "C2", "result", getResult(), {4})))
    return failure();
  return checkRange(*this, "C3", "cause", getCause(), 1, 3);
}

LogicalResult GradNormOp::verify() {
  if (getGrads().empty())
    return emitOpError("(C1) has no gradient; must have at least one");
  return checkShape(*this, "C2", "norm", getNorm(), {1});
}

LogicalResult AdjustScaleOp::verify() {
  for (auto [name, value] :
       {std::pair("norm", Value(getNorm())), {"true_norm", getTrueNorm()}, {"inverse", getInverse()}})
    if (failed(checkShape(*this, "C1", name, value, {1})))
      return failure();
  for (auto [name, value] : {std::pair("loss_scale", Value(getLossScale())), {"next", getNext()}})
    if (failed(checkShape(*this, "C1", name, value, {5})))
      return failure();
  for (auto [name, value] : {std::pair("status", Value(getStatus())), {"update_status", getUpdateStatus()}})
    if (failed(checkShape(*this, "C1", name, value, {4})))
      return failure();
  const double growth = getGrowth().convertToDouble(), backoff = getBackoff().convertToDouble();
  if (failed(checkSameType(*this, "C1", "update_scalars", getUpdateScalars(), getScalars())) ||
      failed(checkRange(*this, "C2", "interval", double(getInterval()), 1, infinity)))
    return failure();
  if (!(growth > 1))
    return emitOpError("(C2) growth is ") << growth << "; must be above 1";
  if (!(backoff > 0 && backoff < 1))
    return emitOpError("(C2) backoff is ") << backoff << "; must be in (0, 1)";
  if (failed(checkRange(*this, "C3", "beta1", getBeta1().convertToDouble(), 0, 1)))
    return failure();
  return checkRange(*this, "C3", "beta2", getBeta2().convertToDouble(), 0, 1);
}

namespace {
/// Of which constraint each is, the definitions number differently.
template <typename Op> LogicalResult verifyOptions(Op op, StringRef scale, StringRef rounding) {
  if (op.getInverseScale() && failed(checkShape(op, scale, "inverse_scale", op.getInverseScale(), {1})))
    return failure();
  if (op.getRounding() && failed(checkShape(op, rounding, "rounding", op.getRounding(), {1})))
    return failure();
  if (op.getRows() && !op.getRounding())
    return op.emitOpError("(") << rounding << ") has rows and no rounding that would count them";
  return success();
}

template <typename Op> LogicalResult verifyUpdate(Op op) {
  if (failed(checkShape(op, "C1", "grad", op.getGrad(), shape(op.getParam()))) ||
      failed(checkSameType(op, "C1", "new_param", op.getNewParam(), op.getParam())) ||
      failed(checkShape(op, "C2", "norm", op.getNorm(), {1})) ||
      failed(checkShape(op, "C2", "status", op.getStatus(), {4})) ||
      failed(checkRange(op, "C3", "weight_decay", op.getWeightDecay().convertToDouble(), 0, infinity)))
    return failure();
  return checkRange(op, "C3", "max_norm", op.getMaxNorm().convertToDouble(), 0, infinity);
}

/// `moments`: how many there are, all of exp_avg's type.
template <typename Op> LogicalResult verifyRest(Op op, int64_t moments) {
  if (op.getRemainder() &&
      (failed(checkElement(op, "C6", "param", op.getParam(), BFloat16Type::get(op.getContext()))) ||
       failed(checkShape(op, "C6", "remainder", op.getRemainder(), shape(op.getParam())))))
    return failure();
  const int64_t wanted = elementType(op.getExpAvg()).isInteger() ? moments : 0;
  if (failed(checkEqual(op, "C9", "the number of scales", static_cast<int64_t>(op.getScales().size()), wanted)))
    return failure();
  const int64_t blocks = llvm::divideCeil(tensorType(op.getExpAvg()).getNumElements(), momentBlock);
  for (Value scales : op.getScales())
    if (failed(checkShape(op, "C9", "scales", scales, {blocks})))
      return failure();
  SmallVector<Value> rest;
  if (op.getRemainder())
    rest.push_back(op.getRemainder());
  llvm::append_range(rest, op.getScales());
  if (failed(checkEqual(op, "C10", "the number of results in new_rest", static_cast<int64_t>(op.getNewRest().size()),
                        static_cast<int64_t>(rest.size()))))
    return failure();
  for (auto [before, after] : llvm::zip_equal(rest, op.getNewRest()))
    if (failed(checkSameType(op, "C10", "one of new_rest", after, before)))
      return failure();
  return success();
}
} // namespace

LogicalResult AdamwOp::verify() {
  if (failed(verifyUpdate(*this)) || failed(checkShape(*this, "C4", "exp_avg", getExpAvg(), shape(getParam()))) ||
      failed(checkSameType(*this, "C4", "exp_avg_sq", getExpAvgSq(), getExpAvg())) ||
      failed(checkSameType(*this, "C4", "new_exp_avg", getNewExpAvg(), getExpAvg())) ||
      failed(checkSameType(*this, "C4", "new_exp_avg_sq", getNewExpAvgSq(), getExpAvg())) ||
      failed(checkRange(*this, "C5", "beta1", getBeta1().convertToDouble(), 0, 1)) ||
      failed(checkRange(*this, "C5", "beta2", getBeta2().convertToDouble(), 0, 1)) ||
      failed(verifyOptions(*this, "C7", "C8")))
    return failure();
  if (failed(verifyRest(*this, /*moments=*/2)))
    return failure();
  return checkRange(*this, "C5", "epsilon", getEpsilon().convertToDouble(), 0, infinity);
}

LogicalResult LionOp::verify() {
  if (failed(verifyUpdate(*this)) || failed(checkShape(*this, "C4", "exp_avg", getExpAvg(), shape(getParam()))) ||
      failed(checkSameType(*this, "C4", "new_exp_avg", getNewExpAvg(), getExpAvg())) ||
      failed(checkRange(*this, "C5", "beta1", getBeta1().convertToDouble(), 0, 1)) ||
      failed(checkRange(*this, "C5", "beta2", getBeta2().convertToDouble(), 0, 1)) ||
      failed(verifyOptions(*this, "C7", "C8")))
    return failure();
  return verifyRest(*this, /*moments=*/1);
}

LogicalResult SgdOp::verify() {
  if (failed(verifyUpdate(*this)) ||
      failed(checkRange(*this, "C4", "momentum", getMomentum().convertToDouble(), 0, 1)) ||
      failed(verifyOptions(*this, "C5", "C6")))
    return failure();
  const bool hasMomentum = getMomentum().convertToDouble() > 0;
  if (hasMomentum != bool(getMomentumBuffer()) || hasMomentum != bool(getNewMomentumBuffer()))
    return emitOpError("(C4) a momentum buffer must come and go exactly where momentum is above 0");
  if (!hasMomentum)
    return success();
  if (failed(checkShape(*this, "C4", "momentum buffer", getMomentumBuffer(), shape(getParam()))))
    return failure();
  return checkSameType(*this, "C4", "new momentum buffer", getNewMomentumBuffer(), getMomentumBuffer());
}
