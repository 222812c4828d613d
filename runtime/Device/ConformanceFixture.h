// What every driver must do alike: the suite's device and its host-side helpers.
#pragma once

#include "runtime/Device/Device.h"

#include <gtest/gtest.h>

#include <random>

namespace ft::rt {

/// Runs once per driver ("Cpu", "Cuda"); skips, with the driver's own reason, where the machine has no such device.
class DeviceConformance : public testing::TestWithParam<const char *> {
protected:
  void SetUp() override;

  Device &device() { return *current; }
  bool isCuda() const { return std::string_view(GetParam()) == "Cuda"; }

  /// Device memory that holds `host`; lives until the device does.
  template <typename T> T *toDevice(const std::vector<T> &host) {
    T *memory = static_cast<T *>(reserveBytes(host.size() * sizeof(T)));
    EXPECT_TRUE(device().upload(0, memory, host.data(), host.size() * sizeof(T)).ok());
    return memory;
  }
  template <typename T> std::vector<T> toHost(const T *memory, size_t count) {
    std::vector<T> host(count);
    EXPECT_TRUE(device().download(0, host.data(), memory, count * sizeof(T)).ok());
    EXPECT_TRUE(device().synchronize().ok());
    return host;
  }
  void *reserveBytes(uint64_t bytes);

  /// Uniform numbers in [−1, 1): never zeros.
  std::vector<double> randomNumbers(size_t count);
  std::mt19937_64 random{20240229};

private:
  Device *current = nullptr;
};

} // namespace ft::rt
