#include "compiler/Pipeline/Predict.h"

#include "dialects/Plan/PlanDialect.h"

#include <algorithm>

using namespace mlir;
using namespace ft;

// What is a number here and not in a target's file was measured on an H200 with cuBLASLt 13.1 and cuDNN 9.19 (ftrun
// --profile), and is taken for all GPUs: they run the same libraries.

namespace {
double regionBytes(plan::OperandAttr operand) {
  const double region = double(operand.getRows()) * operand.getRowBytes() * operand.getBatch();
  return region * ((operand.getRead() != 0) + (operand.getWrite() != 0));
}

bool isWorkspace(plan::OperandAttr operand) { return operand.getBuffer().getValue().ends_with(".workspace"); }

auto operandsOf(Operation *step) { return step->getAttrOfType<ArrayAttr>("operands_").getAsRange<plan::OperandAttr>(); }

/// What a step's operands declare. A workspace is touched as the library likes; it is not what a step moves.
double stepBytes(Operation *step) {
  double bytes = 0;
  for (plan::OperandAttr operand : operandsOf(step))
    bytes += isWorkspace(operand) ? 0 : regionBytes(operand);
  return bytes;
}

double flopsOf(Operation *step) { return step->getAttrOfType<FloatAttr>("flops").getValueAsDouble(); }

/// Microseconds of steps on one target, the cost of the launch left out.
class Prediction {
public:
  explicit Prediction(const recipe::TargetSpec &target) : target(target) {}

  double of(Operation *step) const {
    if (auto gemm = dyn_cast<plan::GemmOp>(step))
      return product(gemm);
    if (auto attention = dyn_cast<plan::AttentionOp>(step))
      return libraryAttention(attention);
    const double share = isa<plan::LaunchOp>(step) ? target.row_memory_share() : 1;
    return moving(stepBytes(step), share);
  }

private:
  double moving(double bytes, double share = 1) const { return bytes / (target.memory_gb_per_s() * 1e3 * share); }
  double computing(double flops, Type type, double share) const {
    const bool bf16 = type.isBF16() && target.bf16_tflops() > 0;
    return flops / ((bf16 ? target.bf16_tflops() : target.f32_tflops()) * 1e6 * share);
  }

  double product(plan::GemmOp gemm) const {
    double sum = computing(flopsOf(gemm), gemm.getAType(), target.sustained_share() * usedShare(gemm));
    // Tiles add to D after their sums: that is not hidden behind the products.
    const plan::OperandAttr d = *std::next(operandsOf(gemm).begin(), 2);
    if (d.getRead())
      sum += moving(regionBytes(d));
    return std::max(sum, moving(stepBytes(gemm), target.gemm_memory_share()));
  }

  /// The share of multiprocessors that have a tile of a small D.
  double usedShare(plan::GemmOp gemm) const {
    constexpr int64_t rows = 128, columns = 64;
    const double tiles =
        double(gemm.getBatch()) * llvm::divideCeil(gemm.getM(), rows) * llvm::divideCeil(gemm.getN(), columns);
    return target.multiprocessors() ? std::min(1.0, tiles / double(target.multiprocessors())) : 1;
  }

  double libraryAttention(plan::AttentionOp attention) const {
    // The softmax of a score takes the time of 41 lanes of its products: heads of 64 and of 128 ran at 0.29 and 0.36 of
    // the data sheet, causal rows of 2048, forward and backward together.
    const double ofLanes = (1 + 41.0 / 128) / (1 + 41.0 / double(attention.getHeadDim()));
    // Documents of 512 tokens, between the caps' empty ones, reach this much of whole rows; each call is many launches.
    const bool ragged = attention.getRagged();
    const double share = target.attention_share() * ofLanes * (ragged ? 0.6 : 1);
    double us = computing(flopsOf(attention), attention.getType(), share) + (ragged ? 8 * target.launch_us() : 0);
    // The deterministic engine sweeps its scores, the causal half of documents × heads × length².
    if (ragged && attention.getBackward() && attention.getDeterministic())
      for (plan::OperandAttr operand : operandsOf(attention))
        us += isWorkspace(operand) ? moving(double(operand.getRows()) * operand.getRowBytes() / 2) : 0;
    return std::max(us, moving(stepBytes(attention)));
  }

  const recipe::TargetSpec &target;
};
} // namespace

void ft::predictTimes(ModuleOp module, const recipe::TargetSpec &target) {
  const Prediction prediction(target);
  for (auto segment : module.getOps<plan::SegmentOp>())
    for (Operation &step : segment.getBody().front()) {
      const double us = prediction.of(&step) + target.launch_us();
      step.setAttr("predicted_us", FloatAttr::get(Float64Type::get(module.getContext()), us));
    }
}
