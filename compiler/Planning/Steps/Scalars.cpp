// The loss over micro-batches, and the sticky status.
#include "compiler/Fusion/Programs/Programs.h"
#include "compiler/Planning/Steps/Steps.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

static LogicalResult emitAddScalar(AddScalarOp add, StepEmitter &out) {
  const bool inPlace = out.values.aliasOf(add.getResult()) == 0;
  const RowProgram &program = out.kernels.get("add_scalar", buildAddScalar, inPlace);
  PlaceUse lhs = out.reading(add.getLhs());
  if (inPlace) {
    lhs.write = out.values.version(add.getResult());
    out.launch("", program, {lhs, out.reading(add.getRhs())});
  } else {
    out.launch("", program, {lhs, out.reading(add.getRhs()), out.writing(add.getResult())});
  }
  return success();
}

static LogicalResult emitCheckFinite(CheckFiniteOp check, StepEmitter &out) {
  if (out.values.aliasOf(check.getResult()) != 1)
    return check.emitOpError("must update the status variable in place");
  std::string name = ("check_finite." + Twine(check.getCause())).str();
  const RowProgram &program = out.kernels.get(name, buildCheckFinite, check.getCause());
  PlaceUse status = out.reading(check.getStatus());
  status.write = out.values.version(check.getResult());
  out.launch("", program, {out.reading(check.getValue()), status, out.reading(check.getScalars())});
  return success();
}

static LogicalResult emitAdjustScale(AdjustScaleOp adjust, StepEmitter &out) {
  if (out.values.aliasOf(adjust.getNext()) != 1)
    return adjust.emitOpError("must change the loss scale in place");
  const LossScaleOptions options{adjust.getGrowth().convertToDouble(), adjust.getBackoff().convertToDouble(),
                                 int64_t(adjust.getInterval()), adjust.getBeta1().convertToDouble(),
                                 adjust.getBeta2().convertToDouble()};
  PlaceUse state = out.reading(adjust.getLossScale());
  state.write = out.values.version(adjust.getNext());
  out.launch("", out.kernels.get("adjust_scale", buildAdjustScale, options),
             {out.reading(adjust.getNorm()), state, out.reading(adjust.getStatus()), out.reading(adjust.getScalars()),
              out.writing(adjust.getTrueNorm()), out.writing(adjust.getInverse()),
              out.writing(adjust.getUpdateStatus()), out.writing(adjust.getUpdateScalars())});
  return success();
}

static void findSumPairs(AddScalarOp, InPlacePairs &pairs) { pairs.push_back({0, 0}); }
static void findStatusPairs(CheckFiniteOp, InPlacePairs &pairs) { pairs.push_back({1, 0}); }
static void findScalePairs(AdjustScaleOp, InPlacePairs &pairs) { pairs.push_back({1, 0}); }

void ft::attachScalarSteps(MLIRContext &context) {
  attachSteps<AddScalarOp, emitAddScalar>(context);
  attachSteps<CheckFiniteOp, emitCheckFinite>(context);
  attachSteps<AdjustScaleOp, emitAdjustScale>(context);
  attachInPlace<AddScalarOp, findSumPairs>(context);
  attachInPlace<CheckFiniteOp, findStatusPairs>(context);
  attachInPlace<AdjustScaleOp, findScalePairs>(context);
}
