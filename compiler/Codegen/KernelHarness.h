// Test support: compiles kernel.func text and runs CPU images.
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

/// Compiles `text`; on failure adds a gtest failure with the diagnostics and returns empty.
CompiledKernels compileText(const std::string &text, const CodegenTarget &target);
/// The diagnostics of a compilation that must fail.
std::string compileError(const std::string &text, const CodegenTarget &target);

/// An executable mapping of a CPU image.
class MappedImage {
public:
  explicit MappedImage(const KernelImage &image);
  ~MappedImage();
  MappedImage(const MappedImage &) = delete;
  void run(unsigned kernel, std::vector<void *> args, int64_t begin, int64_t end) const;

private:
  void *code;
  size_t size;
  std::vector<uint64_t> entries;
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
