// kernel-build-rows: the row programs of a module as text.
#include "compiler/Fusion/BuildRowProgram.h"
#include "compiler/Fusion/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace ft {
#define GEN_PASS_DEF_BUILDROWSPASS
#include "compiler/Fusion/Fusion.h.inc"
} // namespace ft

namespace {

ft::RowOperand layOut(Value value, int64_t padding) {
  auto type = cast<RankedTensorType>(value.getType());
  return {type.getElementType(), SmallVector<int64_t>(type.getShape()), type.getShape().back() + padding};
}

SmallVector<ft::RowOperand> layOut(ft::kernel::FusedOp fused, int64_t padding, bool inPlace) {
  SmallVector<ft::RowOperand> layouts;
  for (Value operand : fused.getInputs())
    layouts.push_back(layOut(operand, padding));
  for (Value result : fused.getOutputs())
    layouts.push_back(layOut(result, padding));
  if (!inPlace)
    return layouts;
  llvm::SmallDenseSet<int64_t> taken;
  for (auto [operand, result] : ft::inPlaceCandidates(fused))
    if (ft::RowOperand &layout = layouts[fused.getInputs().size() + result]; layout.alias < 0)
      if (taken.insert(operand).second)
        layout.alias = operand;
  return layouts;
}

struct BuildRowsPass : ft::impl::BuildRowsPassBase<BuildRowsPass> {
  using BuildRowsPassBase::BuildRowsPassBase;

  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, math::MathDialect, memref::MemRefDialect, scf::SCFDialect,
                    vector::VectorDialect>();
  }

  void runOnOperation() override {
    SmallVector<ft::kernel::FusedOp> kernels;
    getOperation().walk([&](ft::kernel::FusedOp fused) { kernels.push_back(fused); });
    OpBuilder b = OpBuilder::atBlockEnd(getOperation().getBody());
    for (auto [number, fused] : llvm::enumerate(kernels)) {
      std::string name = fused.getName().str() + "." + std::to_string(number);
      auto program = ft::buildRowProgram(b, name, fused, layOut(fused, padding, inPlace));
      if (failed(program))
        return signalPassFailure();
    }
  }
};

} // namespace
