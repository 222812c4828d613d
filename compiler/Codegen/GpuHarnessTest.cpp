// What the harness does around a launch, with a kernel that the fake libcuda of runtime/Device/Cuda/Fixtures knows.
#include "compiler/Codegen/KernelHarness.h"

#include <gtest/gtest-spi.h>

namespace ft {
namespace {

const char *scaleAdd = R"(
kernel.func @scaleAdd(%a: memref<$Nxf32>, %b: memref<$Nxf32>, %out: memref<$Nxf32>)$A item %i {
  %three = arith.constant 3.0 : f32
  %x = memref.load %a[%i] : memref<$Nxf32>
  %y = memref.load %b[%i] : memref<$Nxf32>
  %scaled = arith.mulf %x, %three : f32
  %sum = arith.addf %scaled, %y : f32
  memref.store %sum, %out[%i] : memref<$Nxf32>
  kernel.return
})";

class GpuHarness : public KernelTest {
protected:
  static constexpr int64_t length = 1000;
  std::vector<float> a = numbers(1), b = numbers(2);

  void SetUp() override {
    KernelTest::SetUp();
    if (testTarget().driver == CodegenTarget::Driver::Cpu)
      GTEST_SKIP() << "FTC_TEST_DRIVER is not cuda";
  }
  static std::vector<float> numbers(unsigned seed) {
    std::vector<float> values(length);
    randomize(std::span(values), seed);
    return values;
  }
  void run(float *out, int64_t items) {
    std::string text = instantiate(scaleAdd, length, length);
    // A kernel that is compiled for operands in one place may use either pointer for both.
    text.replace(text.find("$A"), 2, out == a.data() ? " attributes {inplace = [[0, 2]]}" : "");
    TestKernels compiled = compileText(text, testTarget());
    ASSERT_EQ(compiled.operandBytes.at(0), std::vector<uint64_t>(3, length * sizeof(float)));
    runKernel(compiled, compiled.images.at(0), 0, {a.data(), b.data(), out}, items);
  }
};

TEST_F(GpuHarness, OperandsGoThereAndBack) {
  std::vector<float> out(length, 7.0f), before = a;
  run(out.data(), length - 1);
  for (int64_t i = 0; i < length - 1; ++i)
    ASSERT_EQ(out[i], 3 * a[i] + b[i]);
  EXPECT_EQ(out.back(), 7.0f) << "what no item writes comes back as it was";
  EXPECT_EQ(a, before);
}

TEST_F(GpuHarness, OperandsAtOneAddressShareMemory) {
  const std::vector<float> before = a;
  run(a.data(), length);
  for (int64_t i = 0; i < length; ++i)
    ASSERT_EQ(a[i], 3 * before[i] + b[i]);
}

TEST_F(GpuHarness, SeesWritesOutsideTheOperands) {
  std::vector<float> out(length);
  EXPECT_NONFATAL_FAILURE(run(out.data(), length + 1), "scaleAdd wrote outside its operands");
}

} // namespace
} // namespace ft
