#include "runtime/Device/Cuda/GpuTest/GpuFixture.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>

namespace ft::rt {

namespace {

std::vector<std::pair<std::string, std::string>> &table() {
  static std::vector<std::pair<std::string, std::string>> rows;
  return rows;
}

struct OpenedGpu {
  Expected<std::unique_ptr<Device>> device = openCudaDevice(0);
  std::byte *scratch = nullptr;
};
OpenedGpu &gpu() {
  static OpenedGpu only;
  return only;
}

/// Closes the device before main() returns: CUDA's own exit handlers run after that.
class TableAtTheEnd : public testing::Environment {
  void TearDown() override {
    if (gpu().device.ok())
      *gpu().device = nullptr;
    std::printf("\n");
    for (const auto &[what, result] : table())
      std::printf("%-76s | %s\n", what.c_str(), result.c_str());
  }
};
[[maybe_unused]] testing::Environment *const registered = testing::AddGlobalTestEnvironment(new TableAtTheEnd);

} // namespace

void addRow(const std::string &what, const std::string &result) { table().emplace_back(what, result); }

void GpuTest::SetUp() {
  OpenedGpu &only = gpu();
  if (!only.device.ok())
    GTEST_SKIP() << only.device.status().message();
  opened = only.device->get();
  if (!only.scratch) {
    const DeviceInfo &info = opened->info();
    addRow(fmt::format("{} {}, {:.1f} of {:.1f} GiB free", info.name, info.arch, info.freeBytes / 0x1p30,
                       info.totalBytes / 0x1p30),
           fmt::format("targets {}", fmt::join(info.targets, " ")));
    for (const std::string &library : info.libraries)
      addRow("  " + library, "");
    for (const std::string &library : info.missing)
      addRow("  missing: " + library, "");
    require(opened->createQueues(2, 4));
    auto memory = opened->reserve(plan::Arena::DEVICE, ScratchBytes, 256);
    ASSERT_TRUE(memory.ok()) << memory.status().message();
    only.scratch = static_cast<std::byte *>(*memory);
    addRow("  memory in use behind the scratch arena",
           fmt::format("{:.1f} MiB", (opened->usedBytes() - ScratchBytes) / 0x1p20));
  }
  base = only.scratch;
  reuseScratch();
}

void GpuTest::reuseScratch() {
  used = 0;
  poison(base, ScratchBytes);
}

std::byte *GpuTest::scratch(uint64_t bytes) {
  std::byte *piece = base + used;
  used += (bytes + 255) / 256 * 256;
  EXPECT_LE(used, ScratchBytes);
  return piece;
}

void GpuTest::poison(void *memory, uint64_t bytes) { require(device().fill(0, {memory, 1, bytes}, Poison)); }

double GpuTest::timeGraph(uint32_t graph) {
  constexpr int Rounds = 3, Launches = 10;
  double best = 1e9;
  for (int round = 0; round < Rounds; ++round) {
    require(device().record(0, 1));
    for (int i = 0; i < Launches; ++i)
      require(device().launchGraph(graph));
    require(device().record(0, 2));
    require(device().synchronize());
    auto elapsed = device().elapsedMs(1, 2);
    require(elapsed.status());
    best = std::min(best, *elapsed / Launches);
  }
  return best;
}

} // namespace ft::rt
