// The phases of ftc as named pipelines, so that a test of a late phase need not list the passes before it. Their
// options are those that such tests turn; a plan of ft-opt has no predicted times, since it has no target.
#include "compiler/Pipeline/Pipelines.h"

#include "compiler/Pipeline/PhaseChecks.h"
#include "compiler/Pipeline/Phases.h"

#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"

using namespace mlir;
using namespace ft;

namespace {

llvm::cl::ValuesClass recomputeValues() {
  return llvm::cl::values(clEnumValN(Recompute::Nothing, "nothing", ""), clEnumValN(Recompute::Rows, "rows", ""),
                          clEnumValN(Recompute::Products, "products", ""), clEnumValN(Recompute::Blocks, "blocks", ""));
}

llvm::cl::ValuesClass parkValues() {
  return llvm::cl::values(clEnumValN(Park::Nothing, "nothing", ""), clEnumValN(Park::Inputs, "inputs", ""),
                          clEnumValN(Park::Stream, "stream", ""));
}

struct PipelineOptions : PassPipelineOptions<PipelineOptions> {
  Option<Precision> precision{*this, "precision", llvm::cl::desc("precision mode"), llvm::cl::init(Precision::Fp32True),
                              llvm::cl::values(clEnumValN(Precision::Fp64True, "FP64_TRUE", ""),
                                               clEnumValN(Precision::Fp32True, "FP32_TRUE", ""),
                                               clEnumValN(Precision::Bf16True, "BF16_TRUE", ""),
                                               clEnumValN(Precision::Bf16Mixed, "BF16_MIXED", ""),
                                               clEnumValN(Precision::Fp16Mixed, "FP16_MIXED", ""))};
  Option<OptimizerOptions::Kind> optim{*this, "optim", llvm::cl::desc("optimizer"),
                                       llvm::cl::init(OptimizerOptions::Kind::AdamW),
                                       llvm::cl::values(clEnumValN(OptimizerOptions::Kind::AdamW, "ADAMW", ""),
                                                        clEnumValN(OptimizerOptions::Kind::Sgd, "SGD", ""),
                                                        clEnumValN(OptimizerOptions::Kind::Lion, "LION", ""))};
  using Moments = OptimizerOptions::Moments;
  Option<Moments> moments{*this, "moments", llvm::cl::desc("storage of moments"), llvm::cl::init(Moments::F32),
                          llvm::cl::values(clEnumValN(Moments::F32, "F32", ""), clEnumValN(Moments::Bf16, "BF16", ""),
                                           clEnumValN(Moments::Codes, "INT8", ""))};
  Option<int64_t> steps{*this, "steps", llvm::cl::desc("micro-batches per step"), llvm::cl::init(1)};
  ListOption<std::string> targets{*this, "targets", llvm::cl::desc("of adapters; none: every parameter is trained")};
  Option<double> dropout{*this, "dropout", llvm::cl::desc("before adapters"), llvm::cl::init(0.0)};
  Option<Recompute> recompute{*this, "recompute", llvm::cl::desc("what backward makes again"),
                              llvm::cl::init(Recompute::Rows), recomputeValues()};
  Option<Recompute> early{*this, "recompute-early", llvm::cl::desc("the same, in the first layers"),
                          llvm::cl::init(Recompute::Rows), recomputeValues()};
  Option<int64_t> earlyLayers{*this, "early-layers", llvm::cl::desc("how many these are"), llvm::cl::init(0)};
  Option<Park> park{*this, "park", llvm::cl::desc("what the host holds between forward and backward"),
                    llvm::cl::init(Park::Nothing), parkValues()};
  Option<int64_t> maxTargets{*this, "max-targets", llvm::cl::desc("of a micro-batch, on all ranks; 0: no bound"),
                             llvm::cl::init(0)};
  Option<int64_t> ranks{*this, "dp", llvm::cl::desc("data-parallel ranks"), llvm::cl::init(1)};
  Option<Strategy> strategy{
      *this, "strategy", llvm::cl::desc("who holds what"), llvm::cl::init(Strategy::Ddp),
      llvm::cl::values(clEnumValN(Strategy::Ddp, "DDP", ""), clEnumValN(Strategy::Zero1, "ZERO1", ""),
                       clEnumValN(Strategy::Zero2, "ZERO2", ""), clEnumValN(Strategy::Fsdp, "FSDP", ""))};
  Option<int64_t> shard{*this, "shard", llvm::cl::desc("ranks that hold one copy of what is split; 0: all"),
                        llvm::cl::init(0)};
  Option<bool> splitFrozen{*this, "split-frozen", llvm::cl::desc("frozen weights are split as well"),
                           llvm::cl::init(false)};
  Option<double> host{*this, "host", llvm::cl::desc("share of trained parameters with optimizer states on the host"),
                      llvm::cl::init(0.0)};
  Option<bool> gradientsLeave{*this, "gradients-leave",
                              llvm::cl::desc("for the host, where their optimizer states lie"), llvm::cl::init(false)};
  Option<int64_t> bucketBytes{*this, "bucket-bytes", llvm::cl::desc("of gradients that are exchanged at once"),
                              llvm::cl::init(defaultExchangedBytes)};
  Option<bool> foldAdapters{*this, "fold-adapters", llvm::cl::desc("adapters in the borders of their base weights"),
                            llvm::cl::init(false)};
  Option<bool> libraryAttention{*this, "library-attention", llvm::cl::desc("by the library, else tiled"),
                                llvm::cl::init(false)};
  Option<bool> raggedAttention{*this, "ragged-attention", llvm::cl::desc("by the library, of documents"),
                               llvm::cl::init(false)};

  PhaseOptions phases() const {
    PhaseOptions options;
    options.model.precision = precision;
    options.model.optimizer.kind = optim;
    options.model.optimizer.moments = moments;
    options.model.accumulationSteps = steps;
    options.model.copyAdapters = foldAdapters;
    options.model.recompute = {recompute, early, earlyLayers, park};
    options.model.targetBounds = {maxTargets, maxTargets};
    if (!targets.empty()) {
      options.model.lora.emplace();
      options.model.lora->dropout = dropout;
      options.model.lora->targets.assign(targets.begin(), targets.end());
    }
    options.mesh = {ranks, shard};
    options.splitFrozen = splitFrozen;
    options.strategy = strategy;
    options.hostFraction = host;
    options.gradientsLeave = gradientsLeave;
    options.mostExchangedBytes = bucketBytes;
    options.planning.foldAdapters = foldAdapters;
    options.planning.libraryAttention = libraryAttention || raggedAttention;
    options.planning.raggedAttention = raggedAttention;
    return options;
  }
};

class PhasePass : public PassWrapper<PhasePass, OperationPass<ModuleOp>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(PhasePass)
  explicit PhasePass(Phase phase) : phase(std::move(phase)) {}

  void getDependentDialects(DialectRegistry &registry) const final { registerPhaseDialects(registry); }
  void runOnOperation() final {
    if (failed(phase.run(getOperation())))
      signalPassFailure();
  }

private:
  Phase phase;
};

template <int index> class CheckPass : public PassWrapper<CheckPass<index>, OperationPass<ModuleOp>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(CheckPass)
  struct Check {
    StringRef argument, description;
    LogicalResult (*run)(ModuleOp);
  };
  static constexpr Check checks[] = {
      {"ftc-check-model", "The check of the border behind Model", checkModel},
      {"ftc-check-sharded", "The check of the border behind Sharding", checkSharded},
      {"ftc-check-kernel", "The check of the border behind Fusion", checkKernel},
      {"ftc-check-plan", "The check of the border behind Planning", checkPlan},
  };

  StringRef getArgument() const final { return checks[index].argument; }
  StringRef getDescription() const final { return checks[index].description; }
  void runOnOperation() final {
    if (failed(checks[index].run(this->getOperation())))
      this->signalPassFailure();
  }
};

void registerPipeline(StringRef name, StringRef description, Border border) {
  PassPipelineRegistration<PipelineOptions>(name, description, [=](OpPassManager &passes, const PipelineOptions &o) {
    for (Phase &phase : phasesTo(border, o.phases()))
      passes.addPass(std::make_unique<PhasePass>(std::move(phase)));
  });
}

} // namespace

void ft::registerPipelines() {
  registerPipeline("ftc-to-model", "From a model to its training step", Border::Model);
  registerPipeline("ftc-to-sharded", "From a model to one rank's training step", Border::Sharded);
  registerPipeline("ftc-to-kernel", "From a model to fused kernels", Border::Kernel);
  registerPipeline("ftc-to-plan", "From a model to a plan", Border::Plan);
  PassRegistration<CheckPass<0>>();
  PassRegistration<CheckPass<1>>();
  PassRegistration<CheckPass<2>>();
  PassRegistration<CheckPass<3>>();
}
