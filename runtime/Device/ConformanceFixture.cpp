#include "runtime/Device/ConformanceFixture.h"

#include <map>

using namespace ft;
using namespace ft::rt;

namespace {
/// One device per driver for the whole program: opening one is slow, and arenas are released with it.
Expected<std::unique_ptr<Device>> &openedDevice(const std::string &driver) {
  static std::map<std::string, Expected<std::unique_ptr<Device>>> devices;
  auto found = devices.find(driver);
  if (found == devices.end()) {
    auto opened = driver == "Cuda" ? openCudaDevice(0) : openCpuDevice(0);
    if (opened.ok()) {
      Status queues = (*opened)->createQueues(2, 5);
      if (!queues.ok())
        opened = queues;
    }
    found = devices.emplace(driver, std::move(opened)).first;
  }
  return found->second;
}
} // namespace

void DeviceConformance::SetUp() {
  auto &opened = openedDevice(GetParam());
  if (!opened.ok()) {
    // A forced level that the processor lacks skips as well.
    ASSERT_EQ(opened.status().code(), Code::CannotRun) << opened.status().message();
    GTEST_SKIP() << opened.status().message();
  }
  current = opened->get();
}

void *DeviceConformance::reserveBytes(uint64_t bytes) {
  auto memory = device().reserve(plan::Arena::DEVICE, bytes, 256);
  EXPECT_TRUE(memory.ok()) << memory.status().message();
  return memory.ok() ? *memory : nullptr;
}

std::vector<double> DeviceConformance::randomNumbers(size_t count) {
  std::vector<double> numbers(count);
  for (double &number : numbers)
    number = static_cast<double>(random() >> 11) * 0x1p-52 - 1.0;
  return numbers;
}
