#include "compiler/Codegen/KernelHarness.h"

#include "compiler/Codegen/GpuHarness.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <sys/mman.h>

namespace ft {

std::string instantiate(std::string text, int64_t length, int64_t pitch) {
  for (auto [name, value] : {std::pair{"$N", length}, {"$P", pitch}})
    for (size_t at; (at = text.find(name)) != std::string::npos;)
      text.replace(at, 2, std::to_string(value));
  return text;
}

mlir::FailureOr<TestKernels> compileForTest(mlir::ModuleOp module, const CodegenTarget &target,
                                            const CodegenOptions &options) {
  mlir::FailureOr<CompiledKernels> compiled = compileKernels(module, target, options);
  if (mlir::failed(compiled))
    return mlir::failure();
  TestKernels result{std::move(*compiled), {}};
  for (const CompiledKernel &kernel : result.kernels) {
    std::vector<uint64_t> &spans = result.operandBytes.emplace_back();
    for (const kernel::OperandFacts &operand : kernel.operands)
      spans.push_back(operand.bytes);
  }
  return result;
}

static std::string compile(const std::string &text, const CodegenTarget &target, TestKernels &result) {
  mlir::DialectRegistry registry;
  registerCodegenDialects(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  std::string errors;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &diagnostic) {
    errors += diagnostic.str() + "\n";
    return mlir::success();
  });
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  if (!module)
    return "parse: " + errors;
  CodegenOptions options;
  if (const char *dir = std::getenv("FTC_CODEGEN_DUMP"))
    options.dumpDir = dir;
  mlir::FailureOr<TestKernels> kernels = compileForTest(*module, target, options);
  if (mlir::failed(kernels))
    return errors.empty() ? "failed without a diagnostic" : errors;
  result = std::move(*kernels);
  return "";
}

TestKernels compileText(const std::string &text, const CodegenTarget &target) {
  TestKernels result;
  std::string errors = compile(text, target, result);
  EXPECT_EQ(errors, "");
  return result;
}

std::string compileError(const std::string &text, const CodegenTarget &target) {
  TestKernels result;
  return compile(text, target, result);
}

static bool runsOnGpu() {
  const char *driver = std::getenv("FTC_TEST_DRIVER");
  if (!driver || !std::strcmp(driver, "cpu"))
    return false;
  EXPECT_STREQ(driver, "cuda") << "FTC_TEST_DRIVER is cpu or cuda";
  return true;
}

CodegenTarget testTarget() {
  if (!runsOnGpu())
    return {CodegenTarget::Driver::Cpu, runnableArchs()};
  std::string reason;
  return {CodegenTarget::Driver::Cuda, {gpuArch(&reason)}};
}

void KernelTest::SetUp() {
  std::string reason;
  if (runsOnGpu() && gpuArch(&reason).empty())
    GTEST_SKIP() << reason;
}

static void runHere(const KernelImage &image, unsigned kernel, const std::vector<void *> &args, int64_t items) {
  const size_t size = image.bytes.size();
  void *code = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  std::memcpy(code, image.bytes.data(), size);
  mprotect(code, size, PROT_READ | PROT_EXEC);
  using Entry = void (*)(void *const *, int64_t, int64_t);
  reinterpret_cast<Entry>(static_cast<char *>(code) + image.entryOffsets[kernel])(args.data(), 0, items);
  munmap(code, size);
}

void runKernel(const TestKernels &kernels, const KernelImage &image, unsigned kernel, const std::vector<void *> &args,
               int64_t items) {
  if (image.format == KernelImage::Format::CpuBlob)
    return runHere(image, kernel, args, items);
  std::vector<HostOperand> operands;
  for (auto [data, bytes] : llvm::zip_equal(args, kernels.operandBytes[kernel]))
    operands.push_back({data, bytes});
  runOnGpu(kernels.kernels[kernel], image, operands, items);
}

std::vector<std::string> runnableArchs() {
  std::vector<std::string> archs;
  if (__builtin_cpu_supports("x86-64-v3"))
    archs.push_back("x86-64-v3");
  if (__builtin_cpu_supports("x86-64-v4"))
    archs.push_back("x86-64-v4");
  return archs;
}

float bf16ToFloat(Bf16 value) {
  uint32_t bits = uint32_t(value) << 16;
  float result;
  std::memcpy(&result, &bits, 4);
  return result;
}

Bf16 floatToBf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  if (std::isnan(value))
    return 0x7fc0;
  return Bf16((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

} // namespace ft
