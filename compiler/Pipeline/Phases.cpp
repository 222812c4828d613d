#include "compiler/Pipeline/Phases.h"

#include "compiler/Fusion/Passes.h"
#include "compiler/Fusion/ScaleProducts.h"
#include "compiler/Layout/Layout.h"
#include "compiler/Model/TrainingModule.h"
#include "compiler/Pipeline/PhaseChecks.h"
#include "compiler/Pipeline/Predict.h"
#include "compiler/Planning/Bufferize.h"
#include "compiler/Planning/Schedule.h"
#include "dialects/Dist/Dist.h"
#include "dialects/Ft/Ft.h"
#include "runtime/Plan/Kinds.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/PassManager.h"

using namespace mlir;
using namespace ft;

void ft::registerPhaseDialects(DialectRegistry &registry) {
  registry.insert<arith::ArithDialect, dist::DistDialect, func::FuncDialect, kernel::KernelDialect, math::MathDialect,
                  memref::MemRefDialect, model::FtDialect, plan::PlanDialect, scf::SCFDialect, vector::VectorDialect>();
}

/// Row-wise operations of the segments that touch tokens become fused kernels; the update works on buckets.
static LogicalResult fuse(ModuleOp module, int64_t columnPartials) {
  for (auto segment : module.getOps<func::FuncOp>()) {
    if (!plan::runsOnTokens(plan::segmentKind(segment.getSymName())))
      continue;
    PassManager passes(module.getContext(), func::FuncOp::getOperationName());
    passes.enableVerifier(false); // who runs phases verifies behind each
    FusePassOptions options;
    options.partials = columnPartials;
    passes.addPass(createFusePass(options));
    if (failed(passes.run(segment)))
      return failure();
  }
  return success();
}

/// `phase`, then the check of the border behind it.
template <typename Body> static auto checked(Body phase, LogicalResult (*check)(ModuleOp)) {
  return [=](ModuleOp module) { return failed(phase(module)) ? failure() : check(module); };
}

std::vector<Phase> ft::phasesTo(Border border, const PhaseOptions &o) {
  std::vector<Phase> phases;
  // Model: adapters, precision, gradients, accumulation, update.
  auto train = [=](ModuleOp m) { return buildTrainingModule(m, o.model, o.verifies); };
  phases.push_back({"model", checked(train, checkModel)});
  if (border == Border::Model)
    return phases;
  // Layout: trained parameters, and what is split, in buckets, which collectives move and the optimizer updates.
  const LayoutOptions layout{o.planning.foldAdapters, o.mesh.dp,        o.strategy == Strategy::Fsdp, o.splitFrozen,
                             o.hostFraction,          o.gradientsLeave, o.mostExchangedBytes};
  phases.push_back({"layout", [=](ModuleOp m) { return layOut(m, layout); }});
  // Sharding: who holds what. One rank is a mesh of size 1, whose collectives canonicalise away.
  auto split = [=](ModuleOp m) { return partition(m, o.mesh, o.strategy, o.splitFrozen); };
  phases.push_back({"partition", checked(split, checkSharded)});
  if (border == Border::Sharded)
    return phases;
  // Fusion: which operations run together. What quantises rows for a product runs with what makes them.
  auto runTogether = [=](ModuleOp m) {
    if (o.multiplyCodes)
      scaleProducts(m, o.keepTransposes);
    return fuse(m, o.columnPartials);
  };
  phases.push_back({"fuse", checked(runTogether, checkKernel)});
  if (border == Border::Kernel)
    return phases;
  // Planning: steps over buffers; streams and an order by predicted times; last an address for every byte, since memory
  // may be used again only by what comes later on every stream.
  phases.push_back({"bufferize", [=](ModuleOp m) { return bufferize(m, o.planning); }});
  if (o.target)
    phases.push_back({"predict", [=](ModuleOp m) {
                        SmallVector<int64_t> sizes;
                        for (const MeshSpec::Axis &axis : o.mesh.axes())
                          sizes.push_back(axis.size);
                        predictTimes(m, *o.target, sizes);
                        return success();
                      }});
  phases.push_back({"schedule", [](ModuleOp m) {
                      schedule(m);
                      return success();
                    }});
  auto assign = [=](ModuleOp m) {
    MemoryPeak peak = assignMemory(m);
    if (o.peak)
      *o.peak = std::move(peak);
    return success();
  };
  phases.push_back({"assign-memory", checked(assign, checkPlan)});
  return phases;
}
