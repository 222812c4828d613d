// Test support: compiles kernel.func text and runs images, on this processor or, where the environment variable
// FTC_TEST_DRIVER is "cuda", on the first GPU.
#pragma once

#include "compiler/Codegen/CompileKernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <span>

namespace ft {

/// `text` with every `$N` replaced by `length` and `$P` by `pitch`.
std::string instantiate(std::string text, int64_t length, int64_t pitch);

/// Compiled kernels and, for each, how many bytes each operand spans.
struct TestKernels : CompiledKernels {
  std::vector<std::vector<uint64_t>> operandBytes;
};

/// compileKernels with the spans of all operands.
mlir::FailureOr<TestKernels> compileForTest(mlir::ModuleOp module, const CodegenTarget &target,
                                            const CodegenOptions &options = {});
/// Compiles `text`; on failure adds a gtest failure with the diagnostics and returns empty.
TestKernels compileText(const std::string &text, const CodegenTarget &target);
/// The diagnostics of a compilation that must fail.
std::string compileError(const std::string &text, const CodegenTarget &target);

/// Where kernels run in this process: every architecture that this processor runs, or the GPU's.
CodegenTarget testTarget();
/// Runs items [0, items) of a kernel of an image; `args` are the operands in host memory.
void runKernel(const TestKernels &kernels, const KernelImage &image, unsigned kernel, const std::vector<void *> &args,
               int64_t items);

/// Skips, with the driver's reason, where a GPU is asked for and there is none.
class KernelTest : public testing::Test {
protected:
  void SetUp() override;
};

/// The CPU architectures that this machine can run, of x86-64-v3 and x86-64-v4.
std::vector<std::string> runnableArchs();

using Bf16 = uint16_t;
float bf16ToFloat(Bf16 value);
Bf16 floatToBf16(float value);

/// A buffer with guard bytes on both sides, so that a kernel that writes outside is caught.
template <typename T> class Guarded {
public:
  explicit Guarded(size_t count) : storage(count + 2 * guard, pattern()) {}
  T *data() { return storage.data() + guard; }
  std::span<T> values() { return {data(), storage.size() - 2 * guard}; }
  T &operator[](size_t i) { return data()[i]; }
  bool intact() const {
    for (size_t i = 0; i < guard; ++i)
      if (std::memcmp(&storage[i], &probe, sizeof(T)) ||
          std::memcmp(&storage[storage.size() - 1 - i], &probe, sizeof(T)))
        return false;
    return true;
  }

private:
  static constexpr size_t guard = 64;
  static T pattern() {
    T value;
    std::memset(&value, 0x5a, sizeof value);
    return value;
  }
  T probe = pattern();
  std::vector<T> storage;
};

/// Numbers from N(0, 1), the same for the same seed.
template <typename T> void randomize(std::span<T> values, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<double> normal;
  for (T &value : values)
    if constexpr (std::is_same_v<T, Bf16>)
      value = floatToBf16(float(normal(engine)));
    else
      value = T(normal(engine));
}

} // namespace ft
