// --ft-build-model: fills an empty module with the model of a config.json, for ft-opt.
#include "compiler/Import/BuildModel.h"
#include "compiler/Import/Passes.h"

#include "dialects/Ft/Ft.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

using namespace mlir;

namespace {

class BuildModelPass : public PassWrapper<BuildModelPass, OperationPass<ModuleOp>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(BuildModelPass)
  BuildModelPass() = default;
  BuildModelPass(const BuildModelPass &other) : PassWrapper(other) {}

  StringRef getArgument() const final { return "ft-build-model"; }
  StringRef getDescription() const final { return "Fill an empty module with the model of a config.json"; }
  void getDependentDialects(DialectRegistry &registry) const final {
    registry.insert<ft::model::FtDialect, func::FuncDialect>();
  }

  void runOnOperation() final {
    if (!getOperation().getBody()->empty()) {
      getOperation().emitError("--ft-build-model needs an empty module");
      return signalPassFailure();
    }
    llvm::Expected<ft::ModelConfig> config = ft::readModelConfig(path);
    if (!config) {
      getOperation().emitError(llvm::toString(config.takeError()));
      return signalPassFailure();
    }
    ft::BatchShape shape{rows, sequenceLen, documents ? documents : rows, generate, headLanes, targetRows};
    OwningOpRef<ModuleOp> module = ft::buildModel(&getContext(), *config, shape);
    if (!module)
      return signalPassFailure();
    getOperation().getBodyRegion().takeBody(module->getBodyRegion());
  }

private:
  Option<std::string> path{*this, "config", llvm::cl::desc("config.json or a directory with one")};
  Option<int64_t> rows{*this, "rows", llvm::cl::desc("micro_batch_size"), llvm::cl::init(1)};
  Option<int64_t> sequenceLen{*this, "sequence-len", llvm::cl::desc("tokens per row"), llvm::cl::init(8)};
  Option<int64_t> documents{*this, "documents", llvm::cl::desc("cap per micro-batch; 0: one a row"), llvm::cl::init(0)};
  Option<bool> generate{*this, "generate", llvm::cl::desc("build @generate"), llvm::cl::init(false)};
  Option<int64_t> targetRows{*this, "target-rows",
                             llvm::cl::desc("tokens with a target that inputs name; 0: no inputs"), llvm::cl::init(0)};
  Option<int64_t> headLanes{*this, "head-lanes", llvm::cl::desc("of a head in memory; 0: head_dim"), llvm::cl::init(0)};
};

} // namespace

void ft::registerImportPasses() { PassRegistration<BuildModelPass>(); }
