#include "compiler/Codegen/KernelHarness.h"

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

static std::string compile(const std::string &text, const CodegenTarget &target, CompiledKernels &result) {
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
  mlir::FailureOr<CompiledKernels> kernels = compileKernels(*module, target, options);
  if (mlir::failed(kernels))
    return errors.empty() ? "failed without a diagnostic" : errors;
  result = std::move(*kernels);
  return "";
}

CompiledKernels compileText(const std::string &text, const CodegenTarget &target) {
  CompiledKernels result;
  std::string errors = compile(text, target, result);
  EXPECT_EQ(errors, "");
  return result;
}

std::string compileError(const std::string &text, const CodegenTarget &target) {
  CompiledKernels result;
  return compile(text, target, result);
}

MappedImage::MappedImage(const KernelImage &image) : size(image.bytes.size()), entries(image.entryOffsets) {
  code = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  std::memcpy(code, image.bytes.data(), size);
  mprotect(code, size, PROT_READ | PROT_EXEC);
}

MappedImage::~MappedImage() { munmap(code, size); }

void MappedImage::run(unsigned kernel, std::vector<void *> args, int64_t begin, int64_t end) const {
  auto entry = reinterpret_cast<void (*)(void *const *, int64_t, int64_t)>(static_cast<char *>(code) + entries[kernel]);
  entry(args.data(), begin, end);
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
