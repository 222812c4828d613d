#include "compiler/Fusion/ProgramTesting.h"

#include "compiler/Fusion/Rows/Rows.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "runtime/Support/Float16.h"

#include "llvm/ADT/StringSwitch.h"

#include <fstream>
#include <gmock/gmock.h>
#include <unistd.h>

using namespace mlir;

namespace ft {

static DialectRegistry makeRegistry() {
  DialectRegistry registry;
  registerCodegenDialects(registry);
  registerRowModels(registry);
  registry.insert<func::FuncDialect>();
  return registry;
}

ProgramTest::ProgramTest() : context(makeRegistry(), MLIRContext::Threading::DISABLED) {
  context.loadAllAvailableDialects();
}

Type ProgramTest::type(const std::string &name) {
  Builder b(&context);
  return llvm::StringSwitch<Type>(name)
      .Case("f64", b.getF64Type())
      .Case("f32", b.getF32Type())
      .Case("f16", b.getF16Type())
      .Default(b.getBF16Type());
}

/// Where the CUDA toolkit is installed, the program must assemble without spilling registers.
static void checkAssembly(const KernelImage &image) {
  const char *ptxas = "/usr/local/cuda/bin/ptxas";
  if (access(ptxas, X_OK))
    return;
  const std::string stem = testing::TempDir() + "fusion-" + std::to_string(getpid());
  std::ofstream(stem + ".ptx") << image.bytes;
  const std::string command =
      std::string(ptxas) + " -v -arch=" + image.arch + " -o /dev/null " + stem + ".ptx > " + stem + ".txt 2>&1";
  const int status = std::system(command.c_str());
  std::stringstream report;
  report << std::ifstream(stem + ".txt").rdbuf();
  EXPECT_EQ(status, 0) << report.str();
  EXPECT_THAT(report.str(), testing::HasSubstr(" 0 bytes spill stores")) << image.bytes.substr(0, 400);
  std::remove((stem + ".ptx").c_str()), std::remove((stem + ".txt").c_str());
}

void ProgramTest::run(const std::function<RowProgram(OpBuilder &)> &build, const std::vector<void *> &args) {
  std::string errors;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    errors += diagnostic.str() + "\n";
    return success();
  });
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
  OpBuilder builder = OpBuilder::atBlockEnd(module->getBody());
  RowProgram program = build(builder);
  ASSERT_TRUE(program.func) << errors;
  ASSERT_TRUE(succeeded(verify(*module))) << errors;
  ASSERT_EQ(program.func.getOperandArguments().size(), args.size());
  ASSERT_EQ(program.access.size(), args.size());
  const CodegenTarget target = testTarget();
  auto compiled = compileForTest(*module, {target.driver, {target.archs.back()}});
  ASSERT_TRUE(succeeded(compiled)) << errors;
  runKernel(*compiled, compiled->images.at(0), 0, args, program.items);
  if (target.driver == CodegenTarget::Driver::Cuda)
    return;
  auto assembly = compileKernels(*module, {CodegenTarget::Driver::Cuda, {"sm_80", "sm_90"}});
  ASSERT_TRUE(succeeded(assembly)) << errors;
  llvm::for_each(assembly->images, checkAssembly);
}

kernel::FusedOp ProgramTest::parseFused(const std::string &text) {
  parsed = parseSourceString<ModuleOp>(text, &context);
  kernel::FusedOp fused;
  if (parsed)
    parsed->walk([&](kernel::FusedOp op) { fused = op; });
  return fused;
}

static unsigned byteWidth(Type type) { return type.getIntOrFloatBitWidth() / 8; }

FloatMatrix::FloatMatrix(Type type, int64_t rows, int64_t columns, int64_t padding)
    : layout{type, rows, columns, columns + padding}, bytes(rows * layout.pitch * byteWidth(type), 0x5a) {}

double FloatMatrix::at(int64_t element) const {
  const char *from = bytes.data() + element * byteWidth(layout.type);
  double d;
  float f;
  uint16_t h;
  if (layout.type.isF64())
    return std::memcpy(&d, from, sizeof d), d;
  if (layout.type.isF32())
    return std::memcpy(&f, from, sizeof f), f;
  std::memcpy(&h, from, sizeof h);
  return layout.type.isF16() ? rt::f16ToF32(h) : bf16ToFloat(h);
}

void FloatMatrix::put(int64_t element, double value) {
  char *to = bytes.data() + element * byteWidth(layout.type);
  const float f = float(value);
  const uint16_t h = layout.type.isF16() ? rt::f32ToF16(f) : floatToBf16(f);
  if (layout.type.isF64())
    std::memcpy(to, &value, sizeof value);
  else if (layout.type.isF32())
    std::memcpy(to, &f, sizeof f);
  else
    std::memcpy(to, &h, sizeof h);
}

FloatMatrix &FloatMatrix::randomize(unsigned seed, double scale) {
  std::mt19937 engine(seed);
  std::normal_distribution<double> normal(0, scale);
  for (int64_t r = 0; r < layout.rows; ++r)
    for (int64_t c = 0; c < layout.columns; ++c)
      set(r, c, normal(engine));
  return *this;
}

bool FloatMatrix::paddingIntact() const {
  const unsigned width = byteWidth(layout.type);
  for (int64_t r = 0; r < layout.rows; ++r)
    for (int64_t b = (r * layout.pitch + layout.columns) * width; b < (r + 1) * layout.pitch * width; ++b)
      if (bytes[b] != 0x5a)
        return false;
  return true;
}

double roundedTo(Type type, double value) {
  FloatMatrix one(type, 1, 1);
  one.set(0, 0, value);
  return one.get(0, 0);
}

double toleranceOf(Type type) {
  return type.isF64() ? 1e-13 : type.isF32() ? 2e-6 : type.isF16() ? 0x1p-11 + 2e-6 : 0x1p-8;
}

void expectMatrix(const FloatMatrix &actual, double tolerance, double scale,
                  const std::function<double(int64_t, int64_t)> &expected) {
  if (actual.layout.type.isF16())
    scale = std::max(scale, 0x1p-14);
  for (int64_t r = 0; r < actual.layout.rows; ++r)
    for (int64_t c = 0; c < actual.layout.columns; ++c) {
      const double want = expected(r, c);
      ASSERT_NEAR(actual.get(r, c), want, tolerance * std::max(std::fabs(want), scale)) << "at " << r << ", " << c;
    }
  EXPECT_TRUE(actual.paddingIntact()) << "wrote behind a row";
}

} // namespace ft
