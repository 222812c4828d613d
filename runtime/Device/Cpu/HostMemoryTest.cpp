#include "runtime/Device/Cpu/HostMemory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

using namespace ft::rt;
namespace fs = std::filesystem;

namespace {
/// A machine of files: 1000 kB in all, 800 kB available.
class HostMemoryTest : public testing::Test {
protected:
  void SetUp() override {
    fs::remove_all(root);
    write("proc/meminfo", "MemTotal:        1000 kB\nMemFree:          100 kB\nMemAvailable:     800 kB\n");
  }
  void write(const std::string &name, const std::string &text) {
    fs::create_directories(fs::path(root + "/" + name).parent_path());
    std::ofstream(root + "/" + name) << text;
  }
  uint64_t freeBytes() const { return readHostMemory(root + "/proc", root + "/cgroup").freeBytes; }
  const std::string root = testing::TempDir() + "host-memory-test";
};
} // namespace

TEST_F(HostMemoryTest, WithoutCgroupsMemAvailableCounts) {
  EXPECT_EQ(freeBytes(), 800u * 1024);
  EXPECT_EQ(readHostMemory(root + "/proc", root + "/cgroup").totalBytes, 1000u * 1024);
}

TEST_F(HostMemoryTest, WithoutProcTheKernelIsAsked) {
  fs::remove_all(root);
  const HostMemory memory = readHostMemory(root + "/proc", root + "/cgroup");
  EXPECT_GT(memory.freeBytes, 0u);
  EXPECT_GT(memory.totalBytes, memory.freeBytes);
}

TEST_F(HostMemoryTest, SmallestLimitOfTheHierarchyCounts) {
  write("proc/self/cgroup", "0::/slice/job\n");
  write("cgroup/slice/memory.max", "500000\n");
  write("cgroup/slice/memory.current", "300000\n");
  write("cgroup/slice/memory.stat", "anon 200000\ninactive_file 100000\n");
  write("cgroup/slice/job/memory.max", "max\n");
  write("cgroup/slice/job/memory.current", "300000\n");
  EXPECT_EQ(freeBytes(), 300000u) << "500000 − (300000 − 100000 of file caches)";
  write("cgroup/slice/job/memory.max", "350000\n");
  EXPECT_EQ(freeBytes(), 50000u);
  write("cgroup/slice/job/memory.max", "200000\n"); // lowered below what is used
  EXPECT_EQ(freeBytes(), 0u);
}

TEST_F(HostMemoryTest, ReadsVersion1) {
  write("proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/a\n");
  write("cgroup/memory/a/memory.limit_in_bytes", "400000\n");
  write("cgroup/memory/a/memory.usage_in_bytes", "150000\n");
  write("cgroup/memory/a/memory.stat", "total_inactive_file 50000\n");
  EXPECT_EQ(freeBytes(), 300000u);
}

TEST_F(HostMemoryTest, AContainersRootCounts) {
  write("proc/self/cgroup", "0::/\n");
  write("cgroup/memory.max", "70000\n");
  write("cgroup/memory.current", "10000\n");
  EXPECT_EQ(freeBytes(), 60000u);
}

TEST_F(HostMemoryTest, DamagedFilesAreNoLimit) {
  write("proc/self/cgroup", "nonsense\n0::nopath\n:\n");
  write("cgroup/memory.max", "what\n");
  EXPECT_EQ(freeBytes(), 800u * 1024);
}

TEST(FillBytes, SetsEveryByteAndNoOther) {
  constexpr size_t margin = 64;
  for (size_t bytes : {size_t(0), size_t(1), size_t(4097), (size_t(128) << 20) + 13}) { // the last by several threads
    std::vector<uint8_t> memory(bytes + 2 * margin, 1);
    fillBytes(memory.data() + margin, bytes, 7);
    EXPECT_EQ(static_cast<size_t>(std::count(memory.begin(), memory.end(), 7)), bytes);
    EXPECT_EQ(std::count(memory.begin(), memory.begin() + margin, 1), static_cast<std::ptrdiff_t>(margin));
    EXPECT_EQ(std::count(memory.end() - margin, memory.end(), 1), static_cast<std::ptrdiff_t>(margin));
  }
}
