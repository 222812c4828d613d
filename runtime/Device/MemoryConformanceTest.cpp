// Conformance: reservations, copies and fills of strided regions.
#include "runtime/Device/ConformanceFixture.h"

using namespace ft;
using namespace ft::rt;

namespace {
class MemoryConformance : public DeviceConformance {
protected:
  std::vector<uint8_t> randomBytes(size_t count) {
    std::vector<uint8_t> bytes(count);
    for (uint8_t &byte : bytes)
      byte = static_cast<uint8_t>(random());
    return bytes;
  }
};

struct Shape {
  uint64_t batch, rows, rowBytes, dstPitch, srcPitch, dstBatch, srcBatch;
};
// Dense, pitched on either side, one row, single bytes, large enough to be spread over threads.
const Shape shapes[] = {
    {1, 1, 1, 1, 1, 1, 1},           {1, 7, 13, 13, 13, 91, 91},
    {1, 7, 12, 20, 16, 140, 112},    {3, 5, 8, 16, 8, 96, 40},
    {4, 3, 100, 100, 128, 300, 512}, {1, 1, 300000, 300000, 300000, 0, 0},
    {1, 700, 400, 512, 400, 0, 0},   {2, 64, 2048, 2048, 2048, 131072, 131072},
};

Region regionOf(uint8_t *base, const Shape &s, bool dst) {
  return {base, s.rows, s.rowBytes, dst ? s.dstPitch : s.srcPitch, s.batch, dst ? s.dstBatch : s.srcBatch};
}
size_t spanOf(const Region &r) { return (r.batch - 1) * r.batchPitch + (r.rows - 1) * r.pitch + r.rowBytes; }
} // namespace

TEST_P(MemoryConformance, ReservesZeroedAlignedMemory) {
  auto memory = device().reserve(plan::Arena::DEVICE, 100003, 4096);
  ASSERT_TRUE(memory.ok()) << memory.status().message();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(*memory) % 4096, 0u);
  for (uint8_t byte : toHost(static_cast<uint8_t *>(*memory), 100003))
    ASSERT_EQ(byte, 0);
  auto pinned = device().reserve(plan::Arena::PINNED, 4096, 64);
  ASSERT_TRUE(pinned.ok()) << pinned.status().message();
  static_cast<uint8_t *>(*pinned)[4095] = 1; // the host writes pinned memory
}

TEST_P(MemoryConformance, RefusesMoreThanThereIsNamingBothSizes) {
  const uint64_t size = uint64_t(1) << 46;
  auto memory = device().reserve(plan::Arena::DEVICE, size, 256);
  ASSERT_FALSE(memory.ok());
  EXPECT_EQ(memory.status().code(), Code::CannotRun);
  EXPECT_NE(memory.status().message().find("70368744177664"), std::string::npos) << memory.status().message();
  EXPECT_NE(memory.status().message().find("free"), std::string::npos) << memory.status().message();
}

TEST_P(MemoryConformance, CopiesRegionsAndNothingBesideThem) {
  for (const Shape &s : shapes) {
    const size_t dstBytes = spanOf(regionOf(nullptr, s, true)) + 32,
                 srcBytes = spanOf(regionOf(nullptr, s, false)) + 32;
    const std::vector<uint8_t> before = randomBytes(dstBytes), source = randomBytes(srcBytes);
    uint8_t *dst = toDevice(before), *src = toDevice(source);
    ASSERT_TRUE(device().copy(0, regionOf(dst + 16, s, true), regionOf(src + 16, s, false)).ok());
    std::vector<uint8_t> expected = before;
    for (uint64_t b = 0; b < s.batch; ++b)
      for (uint64_t r = 0; r < s.rows; ++r)
        std::copy_n(source.begin() + 16 + b * s.srcBatch + r * s.srcPitch, s.rowBytes,
                    expected.begin() + 16 + b * s.dstBatch + r * s.dstPitch);
    EXPECT_EQ(toHost(dst, dstBytes), expected) << s.batch << "x" << s.rows << "x" << s.rowBytes;
  }
}

TEST_P(MemoryConformance, FillsRegionsAndNothingBesideThem) {
  for (const Shape &s : shapes) {
    const size_t bytes = spanOf(regionOf(nullptr, s, true)) + 32;
    std::vector<uint8_t> expected = randomBytes(bytes);
    uint8_t *dst = toDevice(expected);
    ASSERT_TRUE(device().fill(0, regionOf(dst + 16, s, true), 0xA5).ok());
    for (uint64_t b = 0; b < s.batch; ++b)
      for (uint64_t r = 0; r < s.rows; ++r)
        std::fill_n(expected.begin() + 16 + b * s.dstBatch + r * s.dstPitch, s.rowBytes, 0xA5);
    EXPECT_EQ(toHost(dst, bytes), expected) << s.batch << "x" << s.rows << "x" << s.rowBytes;
  }
}

INSTANTIATE_TEST_SUITE_P(Cpu, MemoryConformance, testing::Values("Cpu"));
INSTANTIATE_TEST_SUITE_P(Cuda, MemoryConformance, testing::Values("Cuda"));
