// The device of the GPU test program, its scratch memory and its table.
#pragma once

#include "runtime/Device/Device.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace ft::rt {

inline uint16_t toBf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
inline float fromBf16(uint16_t half) {
  const uint32_t bits = uint32_t(half) << 16;
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

/// Uniform in [−1, 1), the same on every machine.
class Noise {
public:
  explicit Noise(uint64_t seed) : state(seed * 0x9E3779B97F4A7C15 + 1) {}
  float next() {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return static_cast<float>(state >> 40) * 0x1p-23f - 1.0f;
  }
  uint64_t below(uint64_t limit) { return (state ^= state << 13, state ^= state >> 7, state ^= state << 17) % limit; }

private:
  uint64_t state;
};

/// Adds a line to the table that the program prints at its end.
void addRow(const std::string &what, const std::string &result);

/// Skips without a GPU. Every test begins with all scratch memory poisoned: bytes 0xFF, NaN in every float type.
class GpuTest : public testing::Test {
protected:
  static constexpr uint64_t ScratchBytes = uint64_t(8) << 30;
  static constexpr uint8_t Poison = 0xFF;

  void SetUp() override;
  Device &device() { return *opened; }
  std::byte *scratch(uint64_t bytes); ///< 256-byte aligned, until the test ends or reuseScratch()
  void reuseScratch();
  void poison(void *memory, uint64_t bytes);
  void require(const Status &status) { ASSERT_TRUE(status.ok()) << status.message(); }

  template <typename T> T *upload(const std::vector<T> &host) {
    T *memory = reinterpret_cast<T *>(scratch(host.size() * sizeof(T)));
    require(device().upload(0, memory, host.data(), host.size() * sizeof(T)));
    return memory;
  }
  template <typename T> std::vector<T> download(const T *memory, size_t count) {
    std::vector<T> host(count);
    require(device().download(0, host.data(), memory, count * sizeof(T)));
    require(device().synchronize());
    return host;
  }
  /// Milliseconds of one run of `graph`, the best of some.
  double timeGraph(uint32_t graph);

private:
  Device *opened = nullptr;
  std::byte *base = nullptr;
  uint64_t used = 0;
};

} // namespace ft::rt
