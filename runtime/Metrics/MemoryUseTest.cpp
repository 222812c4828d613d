#include "runtime/Metrics/MemoryUse.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sys/mman.h>

using namespace ft;
using namespace ft::rt;

TEST(MemoryUse, TellsArenasFilesAndProgramApart) {
  const std::string proc = testing::TempDir() + "memory-use-proc";
  std::filesystem::create_directories(proc + "/self");
  std::ofstream(proc + "/self/status") << "Name:\tx\nVmHWM:\t   900 kB\nVmRSS:\t   800 kB\n";
  std::ofstream(proc + "/self/smaps")
      << "00400000-00500000 r-xp 00000000 08:01 5    /bin/program\nRss:    10 kB\n"
         "00500000-00600000 rw-p 00100000 08:01 5    /bin/program\nRss:    20 kB\n"
         "10000000-20000000 rw-p 00000000 00:00 0 \nSize: 262144 kB\nRss:   400 kB\n"
         "20000000-20100000 rw-p 00000000 00:00 0    [heap]\nRss:    50 kB\n"
         "30000000-40000000 r--p 00000000 08:01 9    /data/my model.gguf\nRss:   200 kB\n";
  const AddressRange arena{0x10000000, 0x18000000};
  const ProcessMemory memory = readProcessMemory({&arena, 1}, proc);
  EXPECT_EQ(memory.peakBytes, 900u * 1024);
  EXPECT_EQ(memory.residentBytes, 800u * 1024);
  EXPECT_EQ(memory.arenaBytes, 400u * 1024);
  EXPECT_EQ(memory.mappedFileBytes, 200u * 1024);
  EXPECT_EQ(memory.programBytes, 80u * 1024);
}

TEST(MemoryUse, MeasuresThisProcess) {
  const size_t bytes = 32 << 20;
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  const uint64_t before = residentBytes();
  std::memset(memory, 1, bytes);
  EXPECT_GE(residentBytes(), before + bytes / 2);
  const AddressRange arena{reinterpret_cast<uintptr_t>(memory), reinterpret_cast<uintptr_t>(memory) + bytes};
  const ProcessMemory read = readProcessMemory({&arena, 1});
  EXPECT_GE(read.arenaBytes, bytes);
  EXPECT_GE(read.peakBytes, read.residentBytes);
  munmap(memory, bytes);
}

TEST(MemoryUse, OutcomeStandsSideBySide) {
  MemoryOutcome outcome;
  outcome.predictedArenas = 1 << 30, outcome.measuredArenas = 1 << 30;
  outcome.predictedOutside = 200 << 20, outcome.measuredOutside = 100 << 20;
  outcome.measuredMapped = 98 << 20, outcome.measuredPeak = 1300 << 20;
  const std::string table = formatMemoryOutcome(outcome);
  EXPECT_NE(table.find("  together                       1.20 GiB       1.10 GiB\n"), std::string::npos) << table;
  EXPECT_NE(table.find("  mapped files                                 98.00 MiB\n"), std::string::npos) << table;
}
