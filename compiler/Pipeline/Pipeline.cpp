#include "compiler/Pipeline/Pipeline.h"

#include "compiler/Fusion/Rows/Rows.h"
#include "compiler/Import/BuildModel.h"
#include "compiler/Model/TrainingModule.h"
#include "compiler/Pipeline/Options.h"
#include "compiler/Pipeline/Phases.h"
#include "compiler/Planning/Steps/Steps.h"
#include "runtime/Plan/CheckPlan.h"
#include "runtime/Plan/Kinds.h"
#include "runtime/Plan/Memory.h"
#include "runtime/Plan/Verify.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

#include <filesystem>
#include <fmt/format.h>

using namespace mlir;
using namespace ft;
namespace fs = std::filesystem;

namespace {

/// Runs phases one after the other, keeps the first diagnostic and dumps the module after each.
class Runner {
public:
  Runner(ModuleOp m, std::string dumpDir)
      : module(m), folder(std::move(dumpDir)), handler(m.getContext(), [this](Diagnostic &diagnostic) {
          if (message.empty() && diagnostic.getSeverity() == DiagnosticSeverity::Error)
            message = diagnostic.str();
        }) {}

  rt::Status run(const Phase &phase) {
    if (failed(phase.run(module)) || (!folder.empty() && failed(verify(module))) || !message.empty())
      return refuse(phase.name);
    return dump(phase.name);
  }

  /// What each phase has left in the module, behind the last one.
  rt::Status verifyModule() { return failed(verify(module)) ? refuse("plan") : rt::Status(); }

  rt::Status dump(const char *name) {
    if (folder.empty())
      return rt::Status();
    std::error_code error;
    fs::create_directories(folder, error);
    const std::string path = fmt::format("{}/{:02}-{}.mlir", folder, ++count, name);
    llvm::raw_fd_ostream os(path, error);
    if (error)
      return rt::badInput(fmt::format("--dump-dir {}: {} cannot be written: {}", folder, path, error.message()));
    module->print(os, OpPrintingFlags().assumeVerified());
    return rt::Status();
  }

private:
  rt::Status refuse(const char *phase) const {
    return rt::badInput(fmt::format("ftc: {}: {}", phase, message.empty() ? "failed" : message));
  }

  ModuleOp module;
  std::string folder, message;
  int count = 0;
  ScopedDiagnosticHandler handler;
};

std::unique_ptr<MLIRContext> createContext() {
  DialectRegistry registry;
  registerPhaseDialects(registry);
  registerModel(registry);
  registerSharding(registry);
  registerRowModels(registry);
  registerSteps(registry);
  registerCodegenDialects(registry);
  auto context = std::make_unique<MLIRContext>(registry, MLIRContext::Threading::DISABLED);
  context->loadAllAvailableDialects();
  return context;
}

rt::Expected<Compilation> planOnce(const Inputs &inputs, const Choices &choices, const std::string &dumpDir,
                                   bool verifies) {
  FT_RETURN_IF_ERROR(checkSize(inputs, choices));
  Compilation c;
  c.choices = choices;
  c.context = createContext();
  c.module = buildModel(c.context.get(), inputs.model, batchShape(inputs, choices));
  PhaseOptions options;
  options.model = modelOptions(inputs, choices);
  options.mesh = choices.mesh;
  options.strategy = choices.strategy;
  options.hostFraction = choices.hostFraction;
  options.gradientsLeave = choices.gradientsLeave;
  options.mostExchangedBytes = inputs.mostExchangedBytes;
  options.splitFrozen = choices.splitFrozen;
  options.multiplyCodes = choices.multiplyCodes;
  options.keepTransposes = choices.keepTransposes;
  options.columnPartials = inputs.target.column_partials();
  options.planning = planningOptions(inputs, choices);
  options.target = &inputs.target;
  options.peak = &c.peak;
  options.verifies = verifies;
  Runner runner(*c.module, dumpDir);
  FT_RETURN_IF_ERROR(runner.dump("import"));
  for (const Phase &phase : phasesTo(Border::Plan, options))
    FT_RETURN_IF_ERROR(runner.run(phase));
  if (verifies)
    FT_RETURN_IF_ERROR(runner.verifyModule());
  describePlan(inputs, choices, c.plan);
  if (failed(exportModule(*c.module, c.plan, c.sections)))
    return rt::failed("ftc: export: a constant of an unknown kind");
  finishPlan(inputs.target, c.peak, c.plan);
  if (verifies && rt::fitOf(c.plan).fits())
    FT_RETURN_IF_ERROR(rt::verifyPlan(c.plan));
  return c;
}

} // namespace

rt::Expected<Compilation> ft::planExactly(const Inputs &inputs, const Choices &choices, const std::string &dumpDir) {
  return planOnce(inputs, choices, dumpDir, /*verifies=*/true);
}

rt::Expected<Compilation> ft::estimate(const Inputs &inputs, const Choices &choices) {
  return planOnce(inputs, choices, "", /*verifies=*/false);
}

rt::Status ft::generateCode(Compilation &c, const std::string &dumpDir, ProcessorCode code) {
  fillConstants(*c.module, c.plan, c.sections);
  CodegenTarget target;
  target.driver = c.plan.target().driver() == plan::CPU ? CodegenTarget::Driver::Cpu : CodegenTarget::Driver::Cuda;
  target.archs = {c.plan.target().arch()};
  std::vector<std::string> processors{plan::hostArch};
  if (code == ProcessorCode::Avx2AndAvx512)
    processors.push_back("x86-64-v4");
  if (target.driver == CodegenTarget::Driver::Cpu)
    target.archs = processors;
  std::string message;
  ScopedDiagnosticHandler handler(c.context.get(), [&](Diagnostic &d) {
    if (message.empty())
      message = d.str();
  });
  CodegenOptions options;
  options.dumpDir = dumpDir;
  const CodegenTarget host{CodegenTarget::Driver::Cpu, processors, /*host=*/true};
  for (const CodegenTarget &of : {target, host}) {
    FailureOr<CompiledKernels> compiled = compileKernels(*c.module, of, options);
    if (failed(compiled))
      return rt::failed("ftc: code generation: " + message);
    addImages(*compiled, c.plan, c.sections);
  }
  return rt::Status();
}

rt::Status ft::writePlan(const Compilation &c, const std::string &path) {
  std::vector<rt::Section> sections;
  for (size_t i = 0; i < c.sections.bytes.size(); ++i)
    sections.push_back({c.sections.kinds[i], std::as_bytes(std::span(c.sections.bytes[i]))});
  std::vector<rt::Section> all = sections;
  all.insert(all.begin(), rt::Section{rt::SectionKind::Plan, {}});
  FT_RETURN_IF_ERROR(rt::checkPlan(c.plan, all)); // a plan that nobody can read must not replace one
  FT_RETURN_IF_ERROR(rt::writePlanFile(path, c.plan, sections));
  FT_ASSIGN_OR_RETURN(rt::PlanFile file, rt::readPlanFile(path));
  return rt::verifyPlan(file.plan);
}
