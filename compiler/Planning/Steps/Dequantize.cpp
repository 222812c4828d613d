// Quantised weights, as numbers for one product. The kernel writes whole blocks, straight into the product's matrix
// where its rows are such; rows that blocks cross, and padding that checkpoints do not know, take a dense copy of the
// weight on the way.
#include "compiler/Fusion/Programs/Programs.h"
#include "compiler/Planning/Steps/Steps.h"
#include "runtime/Plan/Nf4.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

/// `count` elements of `type` from byte `offset` of the codes' buffer on.
PlaceUse part(const PlaceUse &buffer, int64_t offset, int64_t rows, int64_t columns, Type type) {
  PlaceUse use = buffer;
  use.place.offsetBytes += offset;
  use.place.rows = rows;
  use.place.columns = use.place.pitch = columns;
  use.place.elementType = type;
  return use;
}

/// One launch that writes all blocks of the variable at `target`.
void launchDequantize(VariableOp variable, const PlaceUse &buffer, const PlaceUse &target, StepEmitter &out) {
  QuantizedMatrix matrix;
  matrix.elements = ShapedType::getNumElements(variable.getLogicalShape());
  matrix.doubleQuant = variable.getNf4().getDoubleQuant();
  const plan::Nf4Layout layout(matrix.elements, matrix.doubleQuant);
  Type i8 = out.builder.getI8Type(), f32 = out.builder.getF32Type();
  SmallVector<PlaceUse> uses{part(buffer, 0, layout.blocks, plan::nf4Block / 2, i8),
                             part(buffer, layout.scales, 1, layout.blocks, matrix.doubleQuant ? i8 : f32)};
  if (matrix.doubleQuant) {
    uses.push_back(part(buffer, layout.nestedScales, 1, layout.nestedBlocks, f32));
    uses.push_back(part(buffer, layout.nestedValues, 1, plan::nf4NestedValues, f32));
    uses.push_back(part(buffer, layout.mean, 1, 1, f32));
  }
  uses.push_back(target);
  out.launch("", out.kernels.get("dequantize", buildDequantize, matrix, matrixOf(target.place)), uses);
}

/// Dense rows of the logical shape, moved to where the padded ones lie; what is padding there becomes zero.
void spread(VariableOp variable, PlaceUse dense, PlaceUse target, StepEmitter &out) {
  const SmallVector<int64_t> shape = variable.getLogicalShape();
  dense.place.rows = shape[0];
  dense.place.columns = dense.place.pitch = shape[1];
  const int64_t width = target.place.elementBytes();
  if (PaddingAttr padding = variable.getPaddingAttr()) {
    out.memset("padding", target);
    const bool rows = padding.getDim() == 0;
    const int64_t count = shape[padding.getDim()] / padding.getUsed();
    (rows ? dense.place.rows : dense.place.columns) = padding.getUsed();
    (rows ? target.place.rows : target.place.columns) = padding.getUsed();
    dense.batch = target.batch = count;
    dense.batchPitchBytes = padding.getUsed() * (rows ? dense.place.pitch : 1) * width;
    target.batchPitchBytes = padding.getBlock() * (rows ? target.place.pitch : 1) * width;
  }
  out.convert("spread", dense, target);
}

void emitWeight(Value weight, const PlaceUse &target, StepEmitter &out) {
  VariableOp variable = out.values.variableLayout().quantized(weight.getDefiningOp<ReadOp>().getVariable());
  const PlaceUse buffer = out.reading(weight);
  if (variable.isFp8()) { // whose codes lie as the numbers shall
    const PlaceUse scales{out.values.variableLayout().scales(variable.getSymName()), buffer.read, 0};
    return out.launch(
        "", out.kernels.get("dequantize", buildDequantizeRows, matrixOf(buffer.place), matrixOf(target.place)),
        {buffer, scales, target});
  }
  const int64_t block = plan::nf4Block;
  if (!variable.getPaddingAttr() && target.place.columns % block == 0)
    return launchDequantize(variable, buffer, target, out);
  const int64_t blocks = llvm::divideCeil(ShapedType::getNumElements(variable.getLogicalShape()), block);
  const Place dense = out.values.scratch("dequantized", 1, blocks * block, target.place.elementType);
  const int64_t version = out.values.freshVersion();
  launchDequantize(variable, buffer, {dense, 0, version}, out);
  spread(variable, {dense, version, 0}, target, out);
}

/// The columns behind the weights: zeros, where no adapter's matrix lies.
void clearBeside(DequantizeOp op, StepEmitter &out) {
  int64_t rows = 0, columns = 0, covered = 0;
  for (Value weight : op.getWeights())
    rows += cast<RankedTensorType>(weight.getType()).getDimSize(0);
  for (Value matrix : op.getBeside()) {
    auto type = cast<RankedTensorType>(matrix.getType());
    columns += type.getDimSize(1);
    covered += type.getNumElements();
  }
  if (covered == rows * columns)
    return;
  PlaceUse border = out.writing(op.getResults().front());
  border.place.offsetBytes += border.place.columns * border.place.elementBytes();
  border.place.rows = rows;
  border.place.columns = columns;
  out.memset("zeros", border);
}

LogicalResult emitDequantize(DequantizeOp op, StepEmitter &out) {
  const size_t weights = op.getWeights().size();
  for (auto [weight, result] : llvm::zip(op.getWeights(), op.getResults()))
    emitWeight(weight, out.writing(result), out);
  clearBeside(op, out);
  for (size_t i = weights; i < op.getNumResults(); ++i)
    out.convert("adapter", out.reading(op.getOperand(i)), out.writing(op.getResult(i)));
  return success();
}

} // namespace

void ft::attachDequantizeSteps(MLIRContext &context) { attachSteps<DequantizeOp, emitDequantize>(context); }
