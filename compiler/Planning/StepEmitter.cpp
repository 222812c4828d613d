#include "compiler/Planning/StepEmitter.h"

#include "compiler/Fusion/Programs/Programs.h"

using namespace mlir;
using namespace ft;

/// The version that library workspaces are written with; nobody reads it.
constexpr int64_t workspaceVersion = 1 << 30;

StepEmitter::StepEmitter(OpBuilder &b, KernelPool &k, const PlanningOptions &o, SegmentLayout &v)
    : builder(b), kernels(k), options(o), values(v) {}

std::string StepEmitter::stepName(StringRef what) const {
  return prefix.empty() ? what.str() : what.empty() ? prefix : prefix + "." + what.str();
}

Attribute StepEmitter::operand(const PlaceUse &use) const {
  const Place &p = use.place;
  int64_t bytes = p.elementBytes();
  return plan::OperandAttr::get(builder.getContext(), p.buffer, p.offsetBytes, p.rows, p.columns * bytes,
                                p.pitch * bytes, use.batch, use.batchPitchBytes, use.read, use.write);
}

static PlaceUse batched(PlaceUse use, int64_t batch, int64_t stride) {
  use.batch = batch;
  use.batchPitchBytes = batch > 1 ? stride * use.place.elementBytes() : 0;
  return use;
}

void StepEmitter::gemm(StringRef what, const GemmSpec &spec) {
  const Place &a = spec.a.place, &b = spec.b.place, &d = spec.d.place;
  int64_t k = spec.transA ? a.rows : a.columns;
  SmallVector<Attribute> operands = {operand(batched(spec.a, spec.batch, spec.strideA)),
                                     operand(batched(spec.b, spec.batch, spec.strideB)),
                                     operand(batched(spec.d, spec.batch, spec.strideD))};
  if (options.gemmWorkspaceBytes && !d.elementType.isF64()) {
    Place workspace;
    workspace.buffer = FlatSymbolRefAttr::get(builder.getContext(), "gemm.workspace");
    workspace.elementType = builder.getI8Type();
    workspace.columns = workspace.pitch = options.gemmWorkspaceBytes;
    operands.push_back(operand({workspace, 0, workspaceVersion}));
  }
  Type compute = d.elementType.isF64() ? d.elementType : builder.getF32Type();
  plan::GemmOp::create(builder, builder.getUnknownLoc(), a.elementType, b.elementType, d.elementType, compute, d.rows,
                       d.columns, k, a.pitch, b.pitch, d.pitch, spec.transA, spec.transB, options.allowTf32,
                       llvm::APFloat(spec.alpha), llvm::APFloat(spec.d.read ? 1.0 : 0.0), spec.batch, spec.strideA,
                       spec.strideB, spec.strideD, stepName(what), builder.getArrayAttr(operands), 0, {}, 0,
                       llvm::APFloat(2.0 * d.rows * d.columns * k * spec.batch), llvm::APFloat(0.0));
}

void StepEmitter::launch(StringRef what, const RowProgram &program, ArrayRef<PlaceUse> uses) {
  SmallVector<Attribute> operands;
  for (auto [use, access] : llvm::zip_equal(uses, program.access)) {
    PlaceUse actual = use;
    if (access == Access::Read)
      actual.write = 0;
    if (access == Access::Write)
      actual.read = 0;
    operands.push_back(operand(actual));
  }
  auto func = program.func;
  plan::LaunchOp::create(builder, builder.getUnknownLoc(), func.getSymName(), program.items, stepName(what),
                         builder.getArrayAttr(operands), 0, {}, 0, llvm::APFloat(0.0), llvm::APFloat(0.0));
}

void StepEmitter::copy(StringRef what, const PlaceUse &from, const PlaceUse &to) {
  plan::CopyOp::create(builder, builder.getUnknownLoc(), stepName(what),
                       builder.getArrayAttr({operand({from.place, from.read, 0}), operand({to.place, 0, to.write})}), 0,
                       {}, 0, llvm::APFloat(0.0), llvm::APFloat(0.0));
}

void StepEmitter::convert(StringRef what, const PlaceUse &from, const PlaceUse &to) {
  MatrixLayout source = matrixOf(from.place), target = matrixOf(to.place);
  MatrixBatch batch{from.batch, from.batchPitchBytes / from.place.elementBytes(),
                    to.batchPitchBytes / to.place.elementBytes()};
  launch(what, kernels.get("copy", buildCopy, source, target, batch), {from, to});
}

int64_t StepEmitter::startSum(model::Accumulating op) {
  Value start = op.getStart(), sum = op->getResult(op.getSumNumber());
  if (!start || values.aliasOf(sum) >= 0)
    return start ? values.version(start) : 0;
  copy("accumulate", reading(start), writing(sum));
  return values.version(sum);
}

void StepEmitter::memset(StringRef what, const PlaceUse &to) {
  plan::MemsetOp::create(builder, builder.getUnknownLoc(), 0, stepName(what),
                         builder.getArrayAttr({operand({to.place, 0, to.write})}), 0, {}, 0, llvm::APFloat(0.0),
                         llvm::APFloat(0.0));
}
