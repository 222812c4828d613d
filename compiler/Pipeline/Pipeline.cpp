#include "compiler/Pipeline/Pipeline.h"

#include "compiler/Fusion/Passes.h"
#include "compiler/Fusion/Rows/Rows.h"
#include "compiler/Import/BuildModel.h"
#include "compiler/Model/TrainingModule.h"
#include "compiler/Pipeline/Options.h"
#include "compiler/Pipeline/Predict.h"
#include "compiler/Planning/Bufferize.h"
#include "compiler/Planning/Schedule.h"
#include "compiler/Sharding/Partition.h"
#include "runtime/Plan/Kinds.h"
#include "runtime/Plan/Verify.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

#include <filesystem>
#include <fmt/format.h>

using namespace mlir;
using namespace ft;
namespace fs = std::filesystem;

namespace {

/// Runs phases one after the other, keeps the first diagnostic and dumps the module after each.
class Phases {
public:
  Phases(ModuleOp m, std::string dumpDir)
      : module(m), folder(std::move(dumpDir)), handler(m.getContext(), [this](Diagnostic &diagnostic) {
          if (message.empty() && diagnostic.getSeverity() == DiagnosticSeverity::Error)
            message = diagnostic.str();
        }) {}

  template <typename Phase> bool run(StringRef name, Phase phase) {
    if (!message.empty() || failed(phase()) || failed(verify(module))) {
      if (message.empty())
        message = "failed";
      failedPhase = failedPhase.empty() ? name.str() : failedPhase;
      return false;
    }
    dump(name);
    return true;
  }

  rt::Status status() const {
    return message.empty()
               ? rt::Status()
               : rt::badInput(fmt::format("ftc: {}: {}", failedPhase.empty() ? "compile" : failedPhase, message));
  }

private:
  void dump(StringRef name) {
    if (folder.empty())
      return;
    std::error_code error;
    fs::create_directories(folder, error);
    std::string path = fmt::format("{}/{:02}-{}.mlir", folder, ++count, name.str());
    llvm::raw_fd_ostream os(path, error);
    if (!error)
      module->print(os, OpPrintingFlags().assumeVerified());
  }

  ModuleOp module;
  std::string folder, message, failedPhase;
  int count = 0;
  ScopedDiagnosticHandler handler;
};

std::unique_ptr<MLIRContext> createContext() {
  DialectRegistry registry;
  registerModel(registry);
  registerSharding(registry);
  registerRowModels(registry);
  registerCodegenDialects(registry);
  registry.insert<kernel::KernelDialect, plan::PlanDialect>();
  auto context = std::make_unique<MLIRContext>(registry, MLIRContext::Threading::DISABLED);
  context->loadAllAvailableDialects();
  return context;
}

/// Row-wise operations of the segments that touch tokens become fused kernels; the update works on buckets.
LogicalResult fuse(ModuleOp module, int64_t columnPartials) {
  for (auto segment : module.getOps<func::FuncOp>()) {
    if (!plan::runsOnTokens(plan::segmentKind(segment.getSymName())))
      continue;
    PassManager passes(module.getContext(), func::FuncOp::getOperationName());
    FusePassOptions options;
    options.partials = columnPartials;
    passes.addPass(createFusePass(options));
    if (failed(passes.run(segment)))
      return failure();
  }
  return success();
}

std::string findModel(const CompileRequest &request, const LoadedRecipe &recipe) {
  fs::path named = fs::path(request.recipesFolder) / "models" / recipe.fields.base_model();
  std::error_code ignored; // a name that no file can have is an unknown model
  if (fs::exists(named / "config.json", ignored))
    return named.string();
  return (fs::path(recipe.folder) / recipe.fields.base_model()).string();
}

rt::Status loadInputs(const CompileRequest &request, Compilation &c) {
  FT_ASSIGN_OR_RETURN(c.recipe, loadRecipe(request.recipePath, request.overrides));
  std::string target = request.gpu.empty() ? c.recipe.fields.target() : request.gpu;
  rt::Expected<recipe::TargetSpec> spec = loadTarget(request.recipesFolder, target);
  if (!spec.ok())
    return rt::Status(spec.status().code(),
                      fmt::format("{}: {}", request.gpu.empty() ? c.recipe.place("target") : "--gpu " + request.gpu,
                                  spec.status().message()));
  c.target = std::move(*spec);
  c.recipe.fields.set_target(target);
  c.recipe.printResolved();
  std::string model = findModel(request, c.recipe);
  std::error_code ignored;
  if (!fs::exists(fs::path(model) / "config.json", ignored))
    return unknownModel(request, c.recipe, model);
  llvm::Expected<ModelConfig> config = readModelConfig(model);
  if (!config)
    return rt::badInput(llvm::toString(config.takeError()));
  c.model = std::move(*config);
  return checkTarget(c.recipe, c.target);
}

} // namespace

uint64_t Compilation::neededBytes() const {
  uint64_t bytes = target.outside_arenas_bytes();
  for (const plan::Arena &arena : plan.arenas())
    if (counts(arena))
      bytes += arena.size();
  return bytes;
}

bool Compilation::counts(const plan::Arena &arena) const {
  return target.driver() == "cpu" || arena.space() == plan::Arena::DEVICE;
}

namespace {

/// `deterministic`: take deterministic engines where the target has them.
rt::Expected<Compilation> planOnce(const CompileRequest &request, Compilation c, bool deterministic) {
  c.context = createContext();
  BatchShape shape = batchShape(c.recipe, c.target, c.model);
  if (request.headLanes)
    shape.headLanes = request.headLanes;
  {
    // A model that cannot be built reports through a diagnostic.
    std::string message;
    ScopedDiagnosticHandler handler(c.context.get(), [&](Diagnostic &d) { message = d.str(); });
    c.module = buildModel(c.context.get(), c.model, shape);
    if (!c.module)
      return rt::badInput(fmt::format(
          "{}: {}", message.rfind("sequence_len", 0) == 0 ? c.recipe.place("sequence_len") : request.recipePath,
          message));
  }
  ModuleOp module = *c.module;
  ModelOptions model = modelOptions(c.recipe);
  PlanningOptions planning = planningOptions(c.recipe, c.target, c.model, shape, deterministic);
  FT_RETURN_IF_ERROR(checkSize(c.recipe, c.model, planning));
  if (request.loraForm != "auto")
    planning.foldAdapters = request.loraForm == "folded";
  model.copyAdapters = planning.foldAdapters; // a border holds copies, whatever their type

  Phases phases(module, request.dumpDir);
  // Import: the model as tensors, one function each for training, evaluation and generation.
  phases.run("import", [] { return success(); });
  // Model: adapters, precision, gradients, accumulation, update.
  phases.run("model", [&] { return buildTrainingModule(module, model); });
  // Sharding: who holds what. One rank is the mesh {dp = 1}, whose collectives canonicalise away.
  phases.run("partition", [&] { return partition(module, MeshSpec{}, Strategy::Ddp); });
  // Fusion: which operations run together.
  phases.run("fuse", [&] { return fuse(module, c.target.column_partials()); });
  // Planning: steps over buffers; streams and an order by predicted times; last an address for every byte, since memory
  // may be used again only by what comes later on every stream.
  phases.run("bufferize", [&] { return bufferize(module, planning); });
  phases.run("predict", [&] {
    predictTimes(module, c.target);
    return success();
  });
  phases.run("schedule", [&] {
    schedule(module);
    return success();
  });
  phases.run("assign-memory", [&] {
    c.peak = assignMemory(module);
    return success();
  });
  FT_RETURN_IF_ERROR(phases.status());

  describePlan(c, request, planning, shape);
  if (failed(exportModule(module, c.plan, c.sections)))
    return rt::failed("ftc: export: a constant of an unknown kind");
  finishPlan(c);
  FT_RETURN_IF_ERROR(rt::verifyPlan(c.plan));
  return c;
}

} // namespace

rt::Expected<Compilation> ft::planRecipe(const CompileRequest &request) {
  Compilation inputs;
  FT_RETURN_IF_ERROR(loadInputs(request, inputs));
  recipe::Deterministic::Mode mode = inputs.recipe.fields.deterministic();
  auto start = [&] {
    Compilation c;
    c.recipe = inputs.recipe, c.target = inputs.target, c.model = inputs.model;
    return c;
  };
  FT_ASSIGN_OR_RETURN(Compilation c, planOnce(request, start(), mode != recipe::Deterministic::FALSE));
  // AUTO gives determinism up where its workspace does not fit.
  if (mode != recipe::Deterministic::AUTO || c.fits() || !c.plan.deterministic() ||
      c.plan.target().attention() != "library")
    return c;
  return planOnce(request, start(), false);
}

rt::Status ft::generateCode(Compilation &c, const std::string &dumpDir) {
  CodegenTarget target;
  target.driver = c.plan.target().driver() == plan::CPU ? CodegenTarget::Driver::Cpu : CodegenTarget::Driver::Cuda;
  target.archs = {c.target.arch()};
  if (target.driver == CodegenTarget::Driver::Cpu)
    target.archs = {"x86-64-v3", "x86-64-v4"};
  std::string message;
  ScopedDiagnosticHandler handler(c.context.get(), [&](Diagnostic &d) {
    if (message.empty())
      message = d.str();
  });
  CodegenOptions options;
  options.dumpDir = dumpDir;
  FailureOr<CompiledKernels> compiled = compileKernels(*c.module, target, options);
  if (failed(compiled))
    return rt::failed("ftc: code generation: " + message);
  addImages(*compiled, c.plan, c.sections);
  return rt::Status();
}

rt::Status ft::writePlan(const Compilation &c, const std::string &path) {
  std::vector<rt::Section> sections;
  for (size_t i = 0; i < c.sections.bytes.size(); ++i)
    sections.push_back({c.sections.kinds[i], std::as_bytes(std::span(c.sections.bytes[i]))});
  FT_RETURN_IF_ERROR(rt::writePlanFile(path, c.plan, sections));
  FT_ASSIGN_OR_RETURN(rt::PlanFile file, rt::readPlanFile(path));
  return rt::verifyPlan(file.plan);
}
