#include "compiler/Pipeline/Predict.h"

#include "dialects/Plan/PlanDialect.h"

#include <algorithm>

using namespace mlir;
using namespace ft;

static double stepBytes(Operation *step) {
  double bytes = 0;
  for (auto operand : step->getAttrOfType<ArrayAttr>("operands_").getAsRange<plan::OperandAttr>()) {
    // A workspace is touched as the library likes; it is not what a step moves.
    if (operand.getBuffer().getValue().ends_with(".workspace"))
      continue;
    double region = double(operand.getRows()) * operand.getRowBytes() * operand.getBatch();
    bytes += region * ((operand.getRead() != 0) + (operand.getWrite() != 0));
  }
  return bytes;
}

static double rate(Operation *step, const recipe::TargetSpec &target) {
  Type type = Type();
  double share = target.sustained_share();
  if (auto gemm = dyn_cast<plan::GemmOp>(step))
    type = gemm.getAType();
  if (auto attention = dyn_cast<plan::AttentionOp>(step)) {
    type = attention.getType();
    share = target.attention_share();
  }
  double tflops = type && type.isBF16() && target.bf16_tflops() > 0 ? target.bf16_tflops() : target.f32_tflops();
  return tflops * 1e6 * share; // flops per microsecond
}

void ft::predictTimes(ModuleOp module, const recipe::TargetSpec &target) {
  for (auto segment : module.getOps<plan::SegmentOp>())
    for (Operation &step : segment.getBody().front()) {
      double flops = step.getAttrOfType<FloatAttr>("flops").getValueAsDouble();
      double us = std::max(flops / rate(&step, target), stepBytes(&step) / (target.memory_gb_per_s() * 1e3)) +
                  target.launch_us();
      step.setAttr("predicted_us", FloatAttr::get(Float64Type::get(module.getContext()), us));
    }
}
