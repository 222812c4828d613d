// Each pass is a call of the function in the file of its name.
#include "compiler/Model/Passes.h"

#include "compiler/Model/Accumulate.h"
#include "compiler/Model/AddOptimizer.h"
#include "compiler/Model/ApplyPrecision.h"
#include "compiler/Model/Differentiate.h"
#include "compiler/Model/InsertAdapters.h"
#include "compiler/Model/QuantizeBase.h"
#include "compiler/Model/Recompute.h"
#include "compiler/Model/RemoveUnused.h"
#include "compiler/Model/SelectTargets.h"
#include "compiler/Model/TrainingModule.h"

#include "dialects/Ft/Ft.h"

#include "llvm/ADT/StringSwitch.h"

#include <optional>

using namespace mlir;

namespace ft {

#define GEN_PASS_DEF_INSERTADAPTERS
#define GEN_PASS_DEF_QUANTIZEBASE
#define GEN_PASS_DEF_APPLYPRECISION
#define GEN_PASS_DEF_SELECTTARGETS
#define GEN_PASS_DEF_DIFFERENTIATE
#define GEN_PASS_DEF_RECOMPUTEAGAIN
#define GEN_PASS_DEF_ACCUMULATE
#define GEN_PASS_DEF_ADDOPTIMIZER
#define GEN_PASS_DEF_REMOVEUNUSED
#define GEN_PASS_DEF_CHECKTRAININGMODULE
#include "compiler/Model/ModelPasses.h.inc"

namespace {

struct InsertAdaptersPass : impl::InsertAdaptersBase<InsertAdaptersPass> {
  using InsertAdaptersBase::InsertAdaptersBase;
  void runOnOperation() override {
    LoraOptions options{rank, alpha, dropout, {}};
    options.targets.assign(targets.begin(), targets.end());
    if (options.targets.empty())
      options.targets = LoraOptions().targets;
    if (failed(insertAdapters(getOperation(), options)))
      signalPassFailure();
  }
};

struct QuantizeBasePass : impl::QuantizeBaseBase<QuantizeBasePass> {
  using QuantizeBaseBase::QuantizeBaseBase;
  void runOnOperation() override {
    using Form = QuantizationOptions::Form;
    const QuantizationOptions options{doubleQuant, {leftOut.begin(), leftOut.end()}, fp8 ? Form::Fp8 : Form::Nf4};
    if (failed(quantizeBase(getOperation(), options)))
      signalPassFailure();
  }
};

struct ApplyPrecisionPass : impl::ApplyPrecisionBase<ApplyPrecisionPass> {
  using ApplyPrecisionBase::ApplyPrecisionBase;
  void runOnOperation() override {
    auto precision = llvm::StringSwitch<std::optional<Precision>>(mode)
                         .Case("FP64_TRUE", Precision::Fp64True)
                         .Case("FP32_TRUE", Precision::Fp32True)
                         .Case("BF16_TRUE", Precision::Bf16True)
                         .Case("BF16_MIXED", Precision::Bf16Mixed)
                         .Case("FP16_MIXED", Precision::Fp16Mixed)
                         .Default(std::nullopt);
    if (!precision) {
      getOperation().emitError("mode is \"")
          << mode << "\"; must be FP64_TRUE, FP32_TRUE, BF16_TRUE, BF16_MIXED or FP16_MIXED";
      return signalPassFailure();
    }
    if (failed(applyPrecision(getOperation(), *precision, accumulates, copyAdapters)))
      signalPassFailure();
  }
};

struct SelectTargetsPass : impl::SelectTargetsBase<SelectTargetsPass> {
  using SelectTargetsBase::SelectTargetsBase;
  void runOnOperation() override {
    if (failed(selectTargets(getOperation(), {training, evaluation})))
      signalPassFailure();
  }
};

struct DifferentiatePass : impl::DifferentiateBase<DifferentiatePass> {
  void runOnOperation() override {
    if (failed(differentiate(getOperation())))
      signalPassFailure();
  }
};

struct RecomputePass : impl::RecomputeAgainBase<RecomputePass> {
  using RecomputeAgainBase::RecomputeAgainBase;
  void runOnOperation() override {
    if (failed(recompute(getOperation(), {rest, early, earlyLayers, park})))
      signalPassFailure();
  }
};

struct AccumulatePass : impl::AccumulateBase<AccumulatePass> {
  using AccumulateBase::AccumulateBase;
  void runOnOperation() override {
    if (failed(accumulate(getOperation(), steps)))
      signalPassFailure();
  }
};

struct AddOptimizerPass : impl::AddOptimizerBase<AddOptimizerPass> {
  using AddOptimizerBase::AddOptimizerBase;
  void runOnOperation() override {
    using Kind = OptimizerOptions::Kind;
    const auto named = llvm::StringSwitch<std::optional<Kind>>(kind)
                           .Case("ADAMW", Kind::AdamW)
                           .Case("SGD", Kind::Sgd)
                           .Case("LION", Kind::Lion)
                           .Default(std::nullopt);
    if (!named) {
      getOperation().emitError("kind is \"") << kind << "\"; must be ADAMW, SGD or LION";
      return signalPassFailure();
    }
    OptimizerOptions options;
    options.kind = *named;
    options.beta1 = beta1;
    options.beta2 = beta2;
    options.epsilon = epsilon;
    options.weightDecay = weightDecay;
    options.momentum = momentum;
    if (bf16State)
      options.moments = OptimizerOptions::Moments::Bf16;
    if (int8State)
      options.moments = OptimizerOptions::Moments::Codes;
    options.splitMasters = splitMasters;
    options.decayNorms = decayNorms;
    options.maxGradNorm = maxGradNorm;
    if (failed(addOptimizer(getOperation(), options)))
      signalPassFailure();
  }
};

struct RemoveUnusedPass : impl::RemoveUnusedBase<RemoveUnusedPass> {
  void runOnOperation() override { removeUnused(getOperation()); }
};

struct CheckTrainingModulePass : impl::CheckTrainingModuleBase<CheckTrainingModulePass> {
  void runOnOperation() override {
    if (failed(checkTrainingModule(getOperation())))
      signalPassFailure();
  }
};

} // namespace

#define GEN_PASS_REGISTRATION
#include "compiler/Model/ModelPasses.h.inc"

void registerModelPasses() { registerModelPassesPasses(); }

} // namespace ft
