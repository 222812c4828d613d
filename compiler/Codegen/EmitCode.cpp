#include "compiler/Codegen/EmitCode.h"

#include "llvm/Analysis/CGSCCPassManager.h"
#include "llvm/Analysis/LoopAnalysisManager.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/PassManager.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Triple.h"

using namespace llvm;

// Not InitializeAllTargets: these two are all that a release links.
extern "C" {
void LLVMInitializeX86TargetInfo();
void LLVMInitializeX86Target();
void LLVMInitializeX86TargetMC();
void LLVMInitializeX86AsmPrinter();
void LLVMInitializeNVPTXTargetInfo();
void LLVMInitializeNVPTXTarget();
void LLVMInitializeNVPTXTargetMC();
void LLVMInitializeNVPTXAsmPrinter();
}

namespace ft {
namespace {

struct Arch {
  StringRef name, triple, features;
};
// The PTX version is the first that knows the chip (PTX ISA, release notes).
constexpr Arch archs[] = {
    {"x86-64-v3", "x86_64-unknown-linux-gnu", ""}, {"x86-64-v4", "x86_64-unknown-linux-gnu", ""},
    {"sm_80", "nvptx64-nvidia-cuda", "+ptx70"},    {"sm_86", "nvptx64-nvidia-cuda", "+ptx71"},
    {"sm_89", "nvptx64-nvidia-cuda", "+ptx78"},    {"sm_90", "nvptx64-nvidia-cuda", "+ptx78"},
    {"sm_100", "nvptx64-nvidia-cuda", "+ptx86"},   {"sm_120", "nvptx64-nvidia-cuda", "+ptx87"},
};

void setFunctionAttributes(Module &module, StringRef arch) {
  for (Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("no-builtins"); // no memcpy, memset or libm out of loops
    function.addFnAttr("no-trapping-math", "true");
    function.addFnAttr(Attribute::NoUnwind);
    function.setDSOLocal(true);
    if (arch == "x86-64-v4") { // its default is 256 bits, which costs a quarter of the time here
      function.addFnAttr("prefer-vector-width", "512");
      function.addFnAttr("min-legal-vector-width", "512");
    }
  }
}

} // namespace

Expected<std::unique_ptr<TargetMachine>> openTargetMachine(StringRef arch) {
  const Arch *known = find_if(archs, [&](const Arch &a) { return a.name == arch; });
  if (known == std::end(archs)) {
    std::string names = join(map_range(archs, [](const Arch &a) { return a.name; }), ", ");
    return createStringError("no code generation for '" + arch + "'; must be one of " + names);
  }
  static const bool initialised = [] {
    LLVMInitializeX86TargetInfo(), LLVMInitializeX86Target(), LLVMInitializeX86TargetMC(),
        LLVMInitializeX86AsmPrinter();
    LLVMInitializeNVPTXTargetInfo(), LLVMInitializeNVPTXTarget(), LLVMInitializeNVPTXTargetMC(),
        LLVMInitializeNVPTXAsmPrinter();
    return true;
  }();
  (void)initialised;
  Triple triple(known->triple);
  std::string error;
  const Target *target = TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return createStringError(error);
  TargetOptions options;
  options.AllowFPOpFusion = FPOpFusion::Strict;
  return std::unique_ptr<TargetMachine>(target->createTargetMachine(triple, arch, known->features, options, Reloc::PIC_,
                                                                    std::nullopt, CodeGenOptLevel::Default));
}

void optimize(Module &module, TargetMachine &machine) {
  module.setTargetTriple(machine.getTargetTriple());
  module.setDataLayout(machine.createDataLayout());
  setFunctionAttributes(module, machine.getTargetCPU());
  PipelineTuningOptions tuning;
  tuning.LoopVectorization = tuning.SLPVectorization = tuning.LoopInterleaving = false;
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager components;
  ModuleAnalysisManager modules;
  PassBuilder passes(&machine, tuning);
  passes.registerModuleAnalyses(modules);
  passes.registerCGSCCAnalyses(components);
  passes.registerFunctionAnalyses(functions);
  passes.registerLoopAnalyses(loops);
  passes.crossRegisterProxies(loops, functions, components, modules);
  passes.buildPerModuleDefaultPipeline(OptimizationLevel::O2).run(module, modules);
}

Expected<std::string> emitCode(Module &module, TargetMachine &machine, CodeFormat format) {
  SmallVector<char, 0> buffer;
  raw_svector_ostream stream(buffer);
  legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, stream, nullptr,
                                  format == CodeFormat::Object ? CodeGenFileType::ObjectFile
                                                               : CodeGenFileType::AssemblyFile))
    return createStringError("no emitter of this format for " + machine.getTargetCPU());
  passes.run(module);
  return std::string(buffer.begin(), buffer.end());
}

} // namespace ft
