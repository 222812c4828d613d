#include "compiler/Codegen/CompileKernels.h"

#include "compiler/Codegen/EmitCode.h"
#include "compiler/Codegen/LinkBlob.h"
#include "compiler/Codegen/Passes.h"
#include "dialects/Kernel/Kernel.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"

#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/Utils/Cloning.h"

using namespace mlir;

namespace ft {

void registerCodegenDialects(DialectRegistry &registry) {
  registry
      .insert<arith::ArithDialect, cf::ControlFlowDialect, func::FuncDialect, kernel::KernelDialect, LLVM::LLVMDialect,
              math::MathDialect, memref::MemRefDialect, NVVM::NVVMDialect, scf::SCFDialect, vector::VectorDialect>();
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  registerNVVMDialectTranslation(registry);
}

namespace {

class Compilation {
public:
  Compilation(ModuleOp source, const CodegenTarget &target, const CodegenOptions &options)
      : source(source), target(target), options(options), cuda(target.driver == CodegenTarget::Driver::Cuda) {}

  FailureOr<CompiledKernels> run() {
    DialectRegistry registry;
    registerCodegenDialects(registry);
    source.getContext()->appendDialectRegistry(registry);
    result.host = target.host;
    if (failed(stripMine()))
      return failure();
    if (target.host && result.kernels.empty())
      return std::move(result);
    if (failed(lower()))
      return failure();
    for (const std::string &arch : target.archs)
      if (failed(addImage(arch)))
        return failure();
    return std::move(result);
  }

private:
  LogicalResult stripMine() {
    OpBuilder builder(source.getContext());
    module = ModuleOp::create(builder, source.getLoc());
    builder.setInsertionPointToEnd(module->getBody());
    for (kernel::FuncOp function : source.getOps<kernel::FuncOp>()) {
      if (function.getHost() != target.host)
        continue;
      builder.clone(*function);
      CompiledKernel &kernel = result.kernels.emplace_back();
      kernel.name = function.getSymName().str();
      kernel.items = function.getItems().value_or(0);
      kernel.operands = kernel::describeOperands(function);
    }
    std::string driver = cuda ? "gpu" : "cpu";
    PassManager passes(source.getContext());
    passes.addPass(createCSEPass());
    passes.addPass(kernel::createKernelStripMine({driver}));
    if (failed(passes.run(*module)) || failed(dump("kernels.mlir", [&](llvm::raw_ostream &os) { module->print(os); })))
      return failure();
    for (auto [function, kernel] : llvm::zip_equal(module->getOps<func::FuncOp>(), result.kernels))
      describeLaunch(function, kernel);
    return success();
  }

  static void describeLaunch(func::FuncOp function, CompiledKernel &kernel) {
    auto launch = function->getAttrOfType<DictionaryAttr>("kernel.launch");
    if (!launch)
      return;
    kernel.threads = cast<IntegerAttr>(launch.get("threads")).getInt();
    kernel.itemsPerBlock = cast<IntegerAttr>(launch.get("items_per_block")).getInt();
    ArrayRef<int64_t> alignments = cast<DenseI64ArrayAttr>(launch.get("alignments"));
    for (auto [operand, alignment] : llvm::zip_equal(kernel.operands, alignments))
      operand.alignment = std::max<uint32_t>(operand.alignment, alignment);
  }

  LogicalResult lower() {
    PassManager passes(source.getContext());
    passes.addPass(kernel::createKernelLowerMath({cuda ? "gpu" : "cpu"}));
    passes.addPass(kernel::createKernelExpandShortFloats({/*native=*/cuda}));
    passes.addPass(createCSEPass());
    passes.addPass(kernel::createKernelLowerToLlvm({cuda ? "gpu" : "cpu"}));
    if (failed(passes.run(*module)))
      return failure();
    llvmContext.setDiagnosticHandlerCallBack(keepErrors, &backendErrors);
    llvmModule = translateModuleToLLVMIR(*module, llvmContext, "kernels");
    return success(llvmModule != nullptr);
  }

  /// LLVM's remarks and warnings are about its own heuristics and are dropped.
  static void keepErrors(const llvm::DiagnosticInfo *diagnostic, void *errors) {
    if (diagnostic->getSeverity() != llvm::DS_Error)
      return;
    llvm::raw_string_ostream stream(*static_cast<std::string *>(errors));
    llvm::DiagnosticPrinterRawOStream printer(stream);
    diagnostic->print(printer);
    stream << "; ";
  }

  LogicalResult addImage(const std::string &arch) {
    llvm::Expected<KernelImage> image = makeImage(arch);
    if (!image)
      return source.emitError("code for ") << arch << ": " << llvm::toString(image.takeError());
    if (!backendErrors.empty())
      return source.emitError("code for ") << arch << ": " << backendErrors;
    result.images.push_back(std::move(*image));
    return success();
  }

  llvm::Expected<KernelImage> makeImage(const std::string &arch) {
    if (cuda != StringRef(arch).starts_with("sm_"))
      return llvm::createStringError(cuda ? "not a GPU architecture (sm_NN)" : "not a CPU architecture (x86-64-vN)");
    auto machine = openTargetMachine(arch);
    if (!machine)
      return machine.takeError();
    std::unique_ptr<llvm::Module> code = llvm::CloneModule(*llvmModule);
    optimize(*code, **machine);
    if (failed(dump("kernels." + arch + ".ll", [&](llvm::raw_ostream &os) { code->print(os, nullptr); })))
      return llvm::createStringError("no dump");
    KernelImage image;
    image.format = cuda ? KernelImage::Format::Ptx : KernelImage::Format::CpuBlob;
    image.arch = arch;
    bool text = cuda || !options.dumpDir.empty();
    if (text) {
      auto assembly = emitCode(cuda ? *code : *llvm::CloneModule(*code), **machine, CodeFormat::Text);
      if (!assembly)
        return assembly.takeError();
      if (failed(dump("kernels." + arch + (cuda ? ".ptx" : ".s"), [&](llvm::raw_ostream &os) { os << *assembly; })))
        return llvm::createStringError("no dump");
      image.bytes = std::move(*assembly);
    }
    return cuda ? llvm::Expected<KernelImage>(std::move(image)) : linkImage(std::move(image), *code, **machine);
  }

  llvm::Expected<KernelImage> linkImage(KernelImage image, llvm::Module &code, llvm::TargetMachine &machine) {
    auto object = emitCode(code, machine, CodeFormat::Object);
    if (!object)
      return object.takeError();
    std::vector<std::string> names;
    for (const CompiledKernel &kernel : result.kernels)
      names.push_back(kernel.name);
    auto blob = linkBlob(*object, names);
    if (!blob)
      return blob.takeError();
    image.bytes = std::move(blob->bytes);
    image.entryOffsets = std::move(blob->entries);
    return image;
  }

  LogicalResult dump(const std::string &name, llvm::function_ref<void(llvm::raw_ostream &)> write) {
    if (options.dumpDir.empty())
      return success();
    std::error_code error;
    llvm::raw_fd_ostream file(options.dumpDir + (target.host ? "/host_" : "/") + name, error);
    if (error)
      return source.emitError("cannot write ") << options.dumpDir << "/" << name << ": " << error.message();
    write(file);
    return success();
  }

  ModuleOp source;
  const CodegenTarget &target;
  const CodegenOptions &options;
  bool cuda;
  OwningOpRef<ModuleOp> module;
  std::string backendErrors;
  llvm::LLVMContext llvmContext;
  std::unique_ptr<llvm::Module> llvmModule;
  CompiledKernels result;
};

} // namespace

FailureOr<CompiledKernels> compileKernels(ModuleOp module, const CodegenTarget &target, const CodegenOptions &options) {
  return Compilation(module, target, options).run();
}

} // namespace ft
